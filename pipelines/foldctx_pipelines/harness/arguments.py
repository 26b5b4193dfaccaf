"""What the harness says: `--model_args` of a run, and the `generation_kwargs` of its tasks."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from foldctx.decoding.presets import DEFAULT_PRESET, check_preset, preset_options
from foldctx.decoding.tasks import TASKS, task
from foldctx.errors import UsageError
from foldctx.models.placement import Placement

# The names by which tasks ask for a length, the first one wins (as the harness has it).
_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_USUAL_LENGTH = 256
# What a task may say about drawing tokens that changes nothing.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "top_p": (None, 1),
    "top_k": (None, 0, -1),
    "num_beams": (None, 1),
    "repetition_penalty": (None, 1),
}
_DRAWING = ("top_p", "top_k")
# The harness's names that do not begin with ours.
_ALSO: Mapping[str, str] = {
    "minerva-math": "math",
    "hendrycks-math": "math",
    "arc-challenge": "arc-c",
}
_BY_NAME = "auto"
# What the harness passes when no --device is given, whether there is such a device or not.
_HARNESS_DEVICE = "cuda:0"


@dataclass(frozen=True, slots=True)
class Arguments:
    """The model's arguments; what is none of them is an option of the preset.

    Without a `preset` that of the model's family is used (see `named`). `gen_length` decodes so many
    tokens whatever the task asks for. `mc_num`, `mc_batch` are the draws of a likelihood and their
    stratification; `cfg_scale` guides likelihoods, and generation where the preset takes it;
    `check_greedy` also finds out whether a continuation would be written. `batch_size` feeds share a
    forward. `task` takes length and options as LLaDA publishes them (see `foldctx.decoding.tasks`):
    those under this name, or with "auto" those under the name of the harness's task, where there are
    any; what the run itself says wins. Raises UsageError for values that cannot be used.
    """

    pretrained: str = "embedded"
    preset: str | None = None
    gen_length: int | None = None
    task: str | None = None
    seed: int = 0
    mc_num: int = 128
    mc_batch: int = 16
    cfg_scale: float = 0.0
    check_greedy: bool = True
    batch_size: int | str = 8
    max_batch_size: int | None = None
    device: str = "auto"
    dtype: str = "auto"
    quantize: str | None = None
    device_map: str | None = None
    revision: str | None = None
    window: int | None = None
    rope_scale_to: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_preset(self.preset or DEFAULT_PRESET, self.options)
        if self.task not in (None, _BY_NAME):
            task(str(self.task))
        if self.gen_length is not None and self.gen_length < 1:
            raise UsageError(f"gen_length={self.gen_length}; it must be at least 1")
        if not str(self.batch_size).isdigit() and not str(self.batch_size).startswith("auto"):
            raise UsageError(f"batch_size={self.batch_size!r}; give a number, or auto for 8")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From the harness's keyword arguments, where None means that nothing was said."""
        said = {key: value for key, value in given.items() if value is not None}
        if said.get("device") == _HARNESS_DEVICE:
            del said["device"]
        known = {item.name for item in fields(cls)} - {"options"}
        own = {key: value for key, value in said.items() if key in known}
        return cls(**own, options={key: value for key, value in said.items() if key not in known})

    def placement(self) -> Placement:
        """Where the model lies, in which form. Raises UsageError for what cannot be used."""
        return Placement(self.device, self.dtype, self.quantize, self.device_map)

    def named(self, preset: str) -> Self:
        """With this preset where none was asked for."""
        return replace(self, preset=self.preset or preset)

    @property
    def rows(self) -> int:
        """Feeds that share a forward."""
        size = str(self.batch_size)
        return max(int(size), 1) if size.isdigit() else 8

    def published(self, name: str) -> str | None:
        """The published setting for the harness's task of this name, or None."""
        if self.task != _BY_NAME:
            return self.task
        bare = name.lower().replace("_", "-")
        if also := [ours for theirs, ours in _ALSO.items() if bare.startswith(theirs)]:
            return also[0]
        fitting = (ours for ours in TASKS if f"{bare}-".startswith(f"{ours}-"))
        return max(fitting, key=len, default=None)

    def preset_options(self, temperature: float, published: str | None = None) -> dict[str, Any]:
        """The preset's options for a task that draws with `temperature`; the run's own win.

        `published` names a setting whose options come first. Raises UsageError where the preset has
        no such option.
        """
        name = self.preset or DEFAULT_PRESET
        options = {**(task(published).options if published else {}), **self.options}
        if self.cfg_scale > 0:
            options["cfg_scale"] = self.cfg_scale
        if temperature > 0 and "temperature" in preset_options(name):
            options.setdefault("temperature", temperature)
        elif temperature > 0:
            raise UsageError(
                f"the task draws with temperature {temperature}, which preset {name} does not "
                "take; choose another, or pass --gen_kwargs do_sample=False"
            )
        check_preset(name, options)
        return options


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for: how many tokens, the strings that end them, and the temperature.

    `published` is the name of the setting it is decoded with, if any.
    """

    gen_length: int
    until: tuple[str, ...]
    temperature: float
    published: str | None = None

    @classmethod
    def of(cls, asked: Mapping[str, Any], run: Arguments, name: str = "") -> Self:
        """From the `generation_kwargs` of the task `name`, and what the run says.

        Raises UsageError for a key that is not known, or asks for what diffusion does not have.
        """
        left = dict(asked)
        until = left.pop("until", None) or ()
        lengths = [value for name in _LENGTHS if (value := left.pop(name, None)) is not None]
        temperature = float(left.pop("temperature", None) or 0.0)
        draws = bool(left.pop("do_sample", temperature > 0))
        for key, value in left.items():
            if key not in _NEUTRAL:
                raise UsageError(
                    f"generation_kwargs {key}={value!r}: foldctx knows until, do_sample, "
                    f"temperature, {', '.join(_LENGTHS)}"
                )
            if value not in _NEUTRAL[key] and (draws or key not in _DRAWING):
                raise UsageError(f"generation_kwargs {key}={value!r}: not part of this decoding")
        published = run.published(name)
        length = task(published).gen_length if published else [*lengths, _USUAL_LENGTH][0]
        return cls(
            int(length if run.gen_length is None else run.gen_length),
            tuple(s for s in ([until] if isinstance(until, str) else until) if s),
            temperature if draws else 0.0,
            published,
        )

    def cut(self, text: str) -> str:
        """The text before the first of the strings that end it."""
        ends = [at for stop in self.until if (at := text.find(stop)) >= 0]
        return text[: min(ends, default=len(text))]
