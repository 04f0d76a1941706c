"""VW's predictions for a page: of the very model that is served, and as people use VW."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from vowpal_wabbit_next import Example, SimpleLabel, TextFormatParser, Workspace

from bandit.catalog import Catalog, CatalogDocument
from bandit.config.schema import Config
from bandit.features import ARTWORK, CONTEXT, ID, ROW, TITLE, Encoded, encode
from bandit.model_arguments import vw_arguments
from bandit.policy import ServedModel, Serving
from bandit.types import Page, Surface
from benchmarks.naive_server import ARGUMENTS, words
from benchmarks.turns import Contender, timed

UNLABELLED: Final = float(np.finfo(np.float32).max)
"""VW's mark of an example that is only to be predicted."""


def served_model(config: Config, serving: Serving, pages: Sequence[Page]) -> Contender:
    """Return ``predict_one`` on Examples kept from before, one an artwork and one a row.

    They have our namespaces and crosses, and the workspaces our weights: the same scores as ours.
    """
    artwork, rows = (_workspace(config, serving.models[name]) for name in ("artwork", "rows"))
    kept = [served_examples(serving.catalog, page) for page in pages]

    def predict(number: int) -> None:
        artworks_of, rows_of = kept[number % len(kept)]
        for example in artworks_of:
            artwork.predict_one(example)
        for example in rows_of:
            rows.predict_one(example)

    return timed(predict)


def served_scores(config: Config, serving: Serving, page: Page) -> list[float]:
    """Return VW's scores of a page's artworks, in the order of the page."""
    workspace = _workspace(config, serving.models["artwork"])
    examples, _ = served_examples(serving.catalog, page)
    found: list[Any] = [workspace.predict_one(example) for example in examples]
    return [float(score) for score in found]


def served_examples(catalog: Catalog, page: Page) -> tuple[list[Any], list[Any]]:
    """Return an Example for each artwork, title after title, and one for each row."""
    context = encode(CONTEXT, page.context)
    artworks = [
        _example({CONTEXT: context, **groups})
        for row in page.rows
        for title in row.titles
        for groups in _artworks(catalog, str(title))
    ]
    indices = [catalog.row_index(row.id) or 0 for row in page.rows]
    rows = [
        _example(
            {
                CONTEXT: context,
                ROW: catalog.row_features.one(index),
                ID: catalog.row_identity(index),
            }
        )
        for index in indices
    ]
    return artworks, rows


def as_people_do(document: CatalogDocument, pages: Sequence[Page]) -> tuple[Contender, Contender]:
    """Return cb_explore_adf a title: on Examples kept from before, and on text."""
    workspace = Workspace(ARGUMENTS)
    parser = TextFormatParser(workspace)
    texts = vw_texts(document, pages)
    kept = [[[parser.parse_line(line) for line in lines] for lines in page] for page in texts]

    def on_kept(number: int) -> None:
        for examples in kept[number % len(kept)]:
            workspace.predict_one(examples)

    def on_text(number: int) -> None:
        for lines in texts[number % len(texts)]:
            workspace.predict_one([parser.parse_line(line) for line in lines])

    return timed(on_kept), timed(on_text)


def vw_texts(document: CatalogDocument, pages: Sequence[Page]) -> list[list[list[str]]]:
    """Return VW's lines by page and title."""
    artworks = {title.id: title.artworks for title in document.titles}
    return [
        [
            [
                f"shared |context {words(page.context)}",
                *(f"|artwork {words(artwork.features)}" for artwork in artworks[title]),
            ]
            for row in page.rows
            for title in row.titles
            if isinstance(title, str)
        ]
        for page in pages
    ]


def _workspace(config: Config, model: ServedModel) -> Any:
    surface: Surface = model.shape.surface
    settings = getattr(config.surfaces, surface).model
    workspace: Any = Workspace(vw_arguments(model.shape, settings))
    workspace.weights()[:, 0, 0] = model.arrays.weights
    return workspace


def _artworks(catalog: Catalog, title: str) -> Iterator[Mapping[str, Encoded]]:
    index = catalog.title_index(title)
    assert index is not None
    features = catalog.title_features.one(index)
    for place in range(*catalog.artwork_offsets[index : index + 2].tolist()):
        yield {
            TITLE: features,
            ARTWORK: catalog.artwork_features.one(place),
            ID: catalog.artwork_identity(place),
        }


def _example(groups: Mapping[str, Encoded]) -> Any:
    example: Any = Example()
    for name, encoded in groups.items():
        example[ord(name[0])].push_many_features(encoded.hashes.astype(np.uint64), encoded.values)
    example.set_label(SimpleLabel(UNLABELLED))
    return example
