"""Options that commands share: dataclasses whose fields become options of a command.

A command takes such a dataclass as one parameter; `with_options` puts its fields into the signature
that typer reads. Nothing here imports torch, so that help and wrong options stay quick.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_type_hints

import typer

from foldctx.decoding.parts import SEAMS
from foldctx.decoding.presets import DEFAULT_PRESET, PRESET_NAMES, check_preset
from foldctx.errors import UsageError
from foldctx.folding.config import STRATEGIES, FoldConfig, NoteKind, QuestionPolicy

if TYPE_CHECKING:
    from foldctx.decoding import Decoder
    from foldctx.models.info import ModelInfo

READING = "Reading"
DECODING = "Decoding"
OUTPUT = "Output"
TRACE_LEVELS = ("windows", "steps")

_DEFAULTS = FoldConfig()
_WORDS = {"true": True, "false": False, "none": None}
_LARGEST_SEED = 2**32 - 1


def _option(panel: str, *names: str, help: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How a document is read: the fields of FoldConfig, under their own names."""

    strategy: Annotated[str, _option(READING, "--strategy", help=f"{', '.join(STRATEGIES)}.")] = (
        _DEFAULTS.strategy
    )
    note_kind: Annotated[
        str, _option(READING, help=f"What windows leave behind: {', '.join(get_args(NoteKind))}.")
    ] = _DEFAULTS.note_kind
    window: Annotated[
        int | None, _option(READING, help="Tokens per forward pass; default: all the model takes.")
    ] = None
    memory_tokens: Annotated[
        int | None, _option(READING, help="Most tokens of notes kept for a question.")
    ] = None
    skip_threshold: Annotated[
        float | None,
        _option(READING, help="p(none) from which a window costs one forward; 1 or more: never."),
    ] = None
    abstain_threshold: Annotated[
        float | None, _option(READING, help="Confidence below which no answer is given.")
    ] = None
    gen_length: Annotated[
        int | None,
        _option(READING, help="Decode exactly this many tokens for an answer; any length."),
    ] = None
    retrieve_windows: Annotated[
        int, _option(READING, help="Windows per question with --strategy retrieve.")
    ] = _DEFAULTS.retrieve_windows
    reread_windows: Annotated[
        int, _option(READING, "--reread", help="Windows to read again before abstaining.")
    ] = _DEFAULTS.reread_windows
    question_policy: Annotated[
        str,
        _option(READING, help=f"With long questions: {', '.join(get_args(QuestionPolicy))}."),
    ] = _DEFAULTS.question_policy
    max_quotes: Annotated[int, _option(READING, help="Most quotes per answer.")] = (
        _DEFAULTS.max_quotes
    )
    rows: Annotated[
        int, _option(READING, help="Windows decoded at once; never changes an answer.")
    ] = _DEFAULTS.rows

    def config(self) -> FoldConfig:
        """The checked configuration. Raises UsageError for values that make no sense."""
        return FoldConfig(**asdict(self))


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """A preset, some of its options changed, and the seed."""

    preset: Annotated[
        str | None,
        _option(
            DECODING,
            help=f"{', '.join(PRESET_NAMES)}; default: {DEFAULT_PRESET}, or what the model's family "
            "has for itself.",
            show_default=False,
        ),
    ] = None
    settings: Annotated[
        list[str],
        _option(DECODING, "--set", metavar="KEY=VALUE", help="Change an option of the preset."),
    ] = field(default_factory=list)
    seed: Annotated[int, _option(DECODING, help="Of all noise.", min=0, max=_LARGEST_SEED)] = 0

    def overrides(self) -> dict[str, Any]:
        """The preset's changed options, typed and checked; UsageError lists what there is."""
        changed: dict[str, Any] = {}
        for setting in self.settings:
            key, equals, value = setting.partition("=")
            if not (key and equals):
                raise UsageError(f"--set {setting}: give it as key=value, such as block_length=16")
            name = key.replace("-", "_")
            # A seam's member is always a word: `cache=none` names one.
            changed[name] = value if name in SEAMS else _value(value)
        self.check(changed)
        return changed

    def check(self, overrides: Mapping[str, Any]) -> None:
        """Raise UsageError for options that the preset does not have."""
        check_preset(self.preset or DEFAULT_PRESET, overrides)

    def decoder(self, info: "ModelInfo", overrides: Mapping[str, Any]) -> "Decoder":
        """The decoder for a model, with the options that `overrides` gave."""
        from foldctx.decoding import preset
        from foldctx.models import FAMILIES

        return preset(self.preset or FAMILIES[info.family].preset, **overrides)


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Where results go, in which form, and whether anything else is told."""

    output: Annotated[
        Path | None,
        _option(OUTPUT, "--output", "-o", help="Write the records to this file as JSON Lines."),
    ] = None
    json: Annotated[
        bool, _option(OUTPUT, "--json", help="JSON Lines on a terminal too.", show_default=False)
    ] = False
    text: Annotated[
        bool, _option(OUTPUT, "--text", help="Text for people in a pipe too.", show_default=False)
    ] = False
    quiet: Annotated[
        bool, _option(OUTPUT, "--quiet", help="No progress, no warnings.", show_default=False)
    ] = False

    def __post_init__(self) -> None:
        if self.json and self.text:
            raise UsageError("--json and --text exclude each other; give one of them")


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """The file that tells what was folded, when and why."""

    trace: Annotated[Path | None, _option(OUTPUT, "--trace", help="Write the trace here.")] = None
    trace_level: Annotated[
        str, _option(OUTPUT, help="windows, or steps: every committed token too.")
    ] = "windows"

    def __post_init__(self) -> None:
        if self.trace_level not in TRACE_LEVELS:
            levels = ", ".join(TRACE_LEVELS)
            raise UsageError(f"--trace-level {self.trace_level!r}: choose from {levels}")

    @property
    def steps(self) -> bool:
        """Whether every denoising step is told."""
        return self.trace_level == "steps"


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter that is a dataclass by its fields, as options of the command."""
    groups: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        if is_dataclass(parameter.annotation):
            groups[name] = cast(type, parameter.annotation)
            parameters += _parameters(groups[name])
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def flat(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{item.name: given.pop(item.name) for item in fields(group)})
        command(**given)

    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {item.name: item.annotation for item in parameters}
    return flat


def _parameters(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            item.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(item),
            annotation=hints[item.name],
        )
        for item in fields(group)
    ]


def _default(item: Field[Any]) -> Any:
    """A field's default; one without is an option that must be given."""
    if item.default_factory is not MISSING:
        return item.default_factory()
    return inspect.Parameter.empty if item.default is MISSING else item.default


def _value(text: str) -> Any:
    """A preset option's value: a word for true, false and none, a number, or text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
