"""``decoupled-ner augment`` and ``decoupled-ner embeddings …``: more for training to go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from decoupled_ner.cli_gazetteer import AsJson, show
from decoupled_ner.cli_pretrain import SeedOption
from decoupled_ner.types import InputError

embeddings_app = typer.Typer(
    help="Static embeddings of characters, bigrams and words.", no_args_is_help=True
)


def augment(
    dataset: Annotated[str, typer.Option(help="Name or path of a data set; its train is read.")],
    output: Annotated[Path, typer.Option(help="A JSONL file: the sentences and their copies.")],
    encoder: Annotated[
        str, typer.Option(help="Masked language model: hub id, directory or zh-small.")
    ] = "zh-small",
    copies: Annotated[int, typer.Option(help="Of each sentence.")] = 1,
    share: Annotated[float, typer.Option(help="Of a sentence's tokens that is masked.")] = 0.15,
    top_k: Annotated[int, typer.Option(help="Draw from so many of the most probable tokens.")] = 20,
    temperature: Annotated[float, typer.Option(help="The higher, the rarer the words.")] = 1.0,
    keep_length: Annotated[
        bool, typer.Option(help="Replace by as many characters, so that no offset moves.")
    ] = True,
    segmenter: Annotated[str, typer.Option(help="What cuts words: jieba, lac or ltp.")] = "jieba",
    segmenter_model: Annotated[str | None, typer.Option(help="Hub id or folder, for ltp.")] = None,
    train_sentences: Annotated[
        int | None, typer.Option(help="Only those that --data.train_sentences takes.")
    ] = None,
    seed: SeedOption = 1,
    as_json: AsJson = False,
) -> None:
    """Copy training sentences with other words around their entities, written by a masked LM.

    Train on the file with --data.extra.files '[FILE]' behind unify or tagger.
    """
    from rich.pretty import Pretty

    from decoupled_ner.data.augment import AugmentSettings
    from decoupled_ner.data.augment import augment as augmented
    from decoupled_ner.data.catalog import load_dataset
    from decoupled_ner.data.files import make_room
    from decoupled_ner.data.jsonl import write_jsonl
    from decoupled_ner.progress import progress_bar

    if output.suffixes[-1:] != [".jsonl"]:
        raise InputError(f"--output {output}: name it .jsonl, which says its format")
    make_room(output)
    settings = AugmentSettings(
        copies, share, top_k, temperature, keep_length, segmenter, segmenter_model, seed
    )
    sentences = load_dataset(dataset, train_sentences=train_sentences).split("train")
    what, total = "rewriting", len(sentences)
    with progress_bar(what, "sentences", shown=not as_json) as update:
        found = list(
            augmented(sentences, encoder, settings, lambda done: update(done, total, what))
        )
    write_jsonl(found, output)
    written = len(found) - len(sentences)
    counts = {"output": str(output), "sentences": len(sentences), "copies": written}
    show(counts, as_json, Pretty)


@embeddings_app.command("train")
def train(
    text: Annotated[list[Path], typer.Option(help="A text file, .xz or .gz or plain; repeatable.")],
    output: Annotated[
        Path | None, typer.Option(help="A new folder; by default embeddings among the runs.")
    ] = None,
    dim: Annotated[int, typer.Option(help="Values a vector.")] = 50,
    epochs: Annotated[int, typer.Option(help="Passes through the text.")] = 5,
    min_count: Annotated[int, typer.Option(help="What is rarer gets no vector.")] = 5,
    share: Annotated[float, typer.Option(help="Of the lines that is read.")] = 1.0,
    workers: Annotated[
        int,
        typer.Option(
            help="Processes that cut the text, then threads; with one, the same run gives the same"
            " vectors."
        ),
    ] = 2,
    seed: SeedOption = 1,
    as_json: AsJson = False,
) -> None:
    """Train vectors of characters, bigrams and words, and compile SoftLexicon's lexicon;
    interrupted, the same command goes on where it was."""
    from rich.pretty import Pretty

    from decoupled_ner.data.embeddings import EmbeddingSettings, train_embeddings
    from decoupled_ner.locations import runs_folder
    from decoupled_ner.progress import progress_bar

    folder = output or runs_folder() / "embeddings"
    settings = EmbeddingSettings(
        dim=dim, epochs=epochs, min_count=min_count, share=share, seed=seed
    )
    with progress_bar("segmenting", shown=not as_json) as update:
        manifest = train_embeddings(
            text,
            folder,
            settings,
            workers=workers,
            progress=update,
        )
    found = {"output": str(folder), **manifest["vectors"], "lexicon": manifest["lexicon"]}
    show(found, as_json, Pretty)
