"""A user's own pictures as a task: a folder of files, or arrays in a .npz file.

A reader (`folder`, `npz`) gives pictures with labels; `parting` is the gate that all of them pass; `content` names the
task by a digest of the arrays that it made, and keeps them in the cache. So changed pictures are another task, and the
same pictures at another place are the same one.
"""
