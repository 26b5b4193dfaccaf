"""The work of `foldctx batch`: questions about documents, windows of many documents together."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from foldctx.api import calibration_of
from foldctx.decoding import Decoder, Predictor
from foldctx.documents import Document
from foldctx.errors import DocumentError, UsageError, WindowError
from foldctx.folding.answering import Answer, answer_session
from foldctx.folding.config import FoldConfig, effective_window
from foldctx.folding.happened import Happened
from foldctx.folding.layout import encode_questions
from foldctx.folding.prompts import Prompts
from foldctx.folding.session import Session, Setup
from foldctx.models.load import Model
from foldctx.records import RunStamp
from foldctx_pipelines.answer import make_record, stamp
from foldctx_pipelines.batch.asks import Ask
from foldctx_pipelines.batch.rows import Row, by_key
from foldctx_pipelines.batch.together import Broke, read_together
from foldctx_pipelines.batch.work import Cost, Finished, Record, Started, Warned, failed

# What is wrong with a row itself; anything else may be the fault of what it shared a forward with.
_ITS_OWN = (DocumentError, UsageError, WindowError)


class DocumentWork:
    """Answers rows whose payload is an Ask; one for a model and a way of reading.

    A document is read once for all its rows in a block. A row's record does not depend on which
    other documents are read meanwhile, nor on `config.rows`, how many windows at once.
    """

    def __init__(self, model: Model, config: FoldConfig, decoder: Decoder, seed: int = 0) -> None:
        self.model, self.config = model, config
        self.stamp: RunStamp = stamp(model, config, decoder, seed)
        self.prompts = Prompts.from_file(model.prompts_source, model.tokenizer)
        measured = calibration_of(model.calibration)
        self._setup = partial(
            Setup,
            prompts=self.prompts,
            decoder=decoder,
            config=config,
            calibration=measured,
            seed=seed,
        )

    def __call__(self, blocks: Iterable[Sequence[Row]]) -> Iterator[object]:
        """Started and Finished for every row, and what reading costs meanwhile."""
        jobs = (
            _Job(self, rows)
            for block in blocks
            for rows in sorted(by_key(block), key=lambda rows: rows[0].size)
        )
        for event in read_together(jobs, self.model, self.config.rows):
            if isinstance(event, Broke):
                yield from self._alone(event)
            else:
                yield event

    def _alone(self, broke: Broke) -> Iterator[object]:
        """Read a document again that broke in company; what breaks alone is its own failure."""
        assert isinstance(broke.reading, _Job)
        error: Exception | None = broke.error if broke.alone else None
        if error is None:
            for event in read_together([broke.reading], self.model, self.config.rows):
                if isinstance(event, Broke):
                    error = event.error
                else:
                    yield event
        if error is not None:
            yield _failures(broke.reading.rows, error)

    def open(self, document: Document, asked: Sequence[str], predictor: Predictor) -> Session:
        """A session whose forward passes go through `predictor`."""
        return Session(document, asked, self._setup(predictor))

    def askable(self, rows: Sequence[Row]) -> tuple[list[Row], tuple[Record, ...]]:
        """The rows whose questions can be asked, and the records of the others."""
        good: list[Row] = []
        bad: list[Record] = []
        window = effective_window(self.model.info, self.config)
        for row in rows:
            try:
                encode_questions([row.payload.question], self.prompts, window, self.config)
                good.append(row)
            except UsageError as error:
                bad += _failures([row], error).records
        return good, tuple(bad)


class _Job:
    """One document and the rows that ask of it."""

    def __init__(self, work: DocumentWork, rows: Sequence[Row]) -> None:
        self.work, self.rows = work, rows

    def __call__(self, predictor: Predictor) -> Iterator[object]:
        """Read the document once, and finish all rows together."""
        yield Started(tuple(row.id for row in self.rows))
        began = time.monotonic()
        self.rows, refused = self.work.askable(self.rows)
        if refused:
            yield Finished(refused)
        if not self.rows:
            return
        try:
            answers: dict[str, Answer] = {}
            asked = list(dict.fromkeys(row.payload.question for row in self.rows))
            session = self.work.open(self.rows[0].payload.document(), asked, predictor)
            for event in answer_session(session):
                if isinstance(event, Answer):
                    answers[event.question] = event
                else:
                    yield from _told(event)
        except _ITS_OWN as error:
            yield _failures(self.rows, error)
            return
        yield Finished(tuple(self._record(row, answers, began) for row in self.rows))

    def _record(self, row: Row, answers: Mapping[str, Answer], began: float) -> Record:
        ask: Ask = row.payload
        answer = answers[ask.question]
        return make_record(self.work.stamp, answer, id=row.id, source=ask.source, started=began)


def _told(event: Happened) -> Iterator[Cost | Warned]:
    """What whoever watches the run is told of an event."""
    if event.event == "window":
        read = event.fields["kind"] == "read"
        yield Cost(windows=int(read), tokens_fed=event.fields["tokens_fed"])
    elif event.event == "skip":
        yield Cost(skipped=1)
    elif event.event == "document" and event.fields["warnings"]:
        yield Warned(event.fields["source"], tuple(event.fields["warnings"]))


def _failures(rows: Sequence[Row], error: Exception) -> Finished:
    """The error records of rows that failed together."""
    records = [
        record
        for row in rows
        for record in failed(row, error, row.payload.source, row.payload.question).records
    ]
    return Finished(tuple(records))
