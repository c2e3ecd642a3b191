"""What all commands share: parser, exit codes, one-line errors, the console, and how signals end a command."""
