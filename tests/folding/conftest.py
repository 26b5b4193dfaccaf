from collections.abc import Callable
from typing import Any

import pytest

from foldctx.models.tokenizer import Tokenizer
from tests.folding.toys import Toy, make_tokenizer


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def make_toy(tokenizer: Tokenizer) -> Callable[..., Toy]:
    def make(**options: Any) -> Toy:
        return Toy(tokenizer, **options)

    return make
