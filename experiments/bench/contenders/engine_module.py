"""The suite's engine on the NNX loop's own module, as `model=module` trains it."""

from flax import nnx

from cnnlab.modules.own import pure
from cnnlab.modules.source import sources
from cnnlab.spec.own_module import OwnModule, arguments
from cnnlab.training.program import State
from experiments.bench.contenders import nnx_loop
from experiments.bench.contenders.engine import Engine


class EngineModule(Engine):
    """Held against the loop: the same module, weights and batches."""

    description, native, sweeps, gated = "this suite's engine on a user's module", False, False, False

    def net(self) -> OwnModule:
        """The module by its place and arguments; the sizes of images and classes are given by the suite."""
        make = f"{nnx_loop.__name__}:CNN"
        return OwnModule(make=make, args=arguments(nnx_loop.settings(self.workload)), sources=sources(make))

    def begun(self, member: int) -> State:
        """A member's state with the loop's weights."""
        state = self.compiled.init(member)
        return State(pure(nnx.state(nnx_loop.begun(self.workload, member), nnx.Param)), state.statistics, state.moments)
