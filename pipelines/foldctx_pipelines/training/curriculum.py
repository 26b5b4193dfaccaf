"""What a training run goes through: stages of batches, and the learning rate at each step."""

from dataclasses import dataclass

from foldctx.errors import UsageError


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the curriculum: `steps` batches of `rows` windows of `length` tokens each.

    A share `long_share` of the batches has windows of `long` tokens instead, and as many fewer; the
    same with `answer_long` and `answer_long_share` for answering windows. A share `story_share` of
    the reading windows and `story_answer_share` of the answering ones is of tales, whose lines only
    mean something together.
    """

    steps: int
    length: int
    rows: int
    questions: int
    answer_length: int = 112
    answer_rows: int = 12
    long: int = 480
    long_share: float = 0.0
    answer_long: int = 288
    answer_long_share: float = 0.0
    story_share: float = 0.0
    story_answer_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides the weights besides the data."""

    stages: tuple[Stage, ...]
    rate: float = 1e-3
    warmup: int = 100
    decay: int = 400
    weight_decay: float = 0.01
    seed: int = 0
    targets: int = 40
    probe_weight: float = 0.5

    @property
    def steps(self) -> int:
        """All steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage(self, step: int) -> Stage:
        """The stage that a step belongs to."""
        end = 0
        for stage in self.stages:
            end += stage.steps
            if step < end:
                return stage
        raise UsageError(f"step {step} lies beyond the plan of {self.steps} steps")

    def rate_at(self, step: int) -> float:
        """Linear warm-up, constant, then linear decay over the last `decay` steps."""
        up = min(1.0, (step + 1) / self.warmup)
        down = min(1.0, (self.steps - step) / max(1, self.decay))
        return self.rate * min(up, max(down, 0.02))
