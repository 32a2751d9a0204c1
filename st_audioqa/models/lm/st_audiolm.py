"""ST-AudioLM: frozen encoder -> audio tokens -> connector -> frozen language model with LoRA.

Paper, section 4.2. What is trained are the connector and the LoRA matrices, together "adapters".

    from st_audioqa.models import STAudioLM
    model = STAudioLM.from_pretrained("out/stage-3")
    print(model.answer("scene.flac", "Where is the bark at the beginning?"))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from st_audioqa.conventions import SCENE_SAMPLES
from st_audioqa.errors import MissingPackageError, UserError
from st_audioqa.events.labels import noun
from st_audioqa.models.encoders import SpatialEncoder
from st_audioqa.models.estimate import prepare_audio
from st_audioqa.models.lm.base import Base, fingerprint
from st_audioqa.models.lm.interfaces import CLIP, AudioInterface, Piece
from st_audioqa.models.lm.packing import Asked, Layout, lay_out
from st_audioqa.models.lm.prompting import PromptFormat

__all__ = ["Heard", "Inquiry", "Judgement", "LoraSettings", "STAudioLM"]

Order = Literal["ambix", "fuma"]

_LONGEST = 4000
"""Characters of a question; the longest of the benchmark has about 150."""
_NEW_TOKENS = 48
_ROW_TOKENS = 1200
"""About so many tokens are scored in one row; attention grows with their square."""


@dataclass(frozen=True)
class Inquiry:
    """A question, and the answers to choose from; none where the answer is free text."""

    question: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adaptation (Hu et al. 2022) of the language model; rank as in the paper.

    Alpha, dropout and layers are ours. All linear layers of the blocks are adapted: the
    perceptrons are where a small model stores what follows from what, and LoRA on attention alone
    is known to fall short of it (Biderman et al. 2024; Schulman et al. 2025).
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: str | tuple[str, ...] = "all-linear"


@dataclass(eq=False)
class Heard:
    """A recording as an encoder sees it; pieces are read when they are asked for."""

    features: Tensor
    probability: NDArray[np.float32]
    """[shape=(classes,)]"""
    pieces: dict[int, Piece] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a model thinks of some answers, token by token."""

    layout: Layout
    log_probability: Tensor
    """[shape=(tokens,)]"""
    likeliest: Tensor
    """[shape=(tokens,)] whether no other token is likelier"""

    @property
    def per_answer(self) -> Tensor:
        """Logarithm of the probability of every answer [shape=(answers,)]."""
        zeros = torch.zeros(self.layout.n_answers, device=self.log_probability.device)
        return zeros.index_add(0, self.layout.owner, self.log_probability)

    @property
    def exact(self) -> Tensor:
        """Whether every token of an answer is the likeliest [shape=(answers,)]."""
        zeros = torch.zeros(self.layout.n_answers, device=self.log_probability.device)
        return zeros.index_add(0, self.layout.owner, (~self.likeliest).float()) == 0


class STAudioLM(nn.Module):
    """A language model with ears.

    Parameters
    ----------
    encoder : SpatialEncoder
    interface : AudioInterface
    base : Base
        Its model gets LoRA matrices in place.
    lora : LoraSettings
    """

    def __init__(
        self,
        encoder: SpatialEncoder,
        interface: AudioInterface,
        base: Base,
        lora: LoraSettings | None = None,
    ) -> None:
        super().__init__()
        try:
            import peft
        except ImportError as error:
            raise MissingPackageError("peft", "models", "ST-AudioLM") from error
        self.interface, self.lora_settings = interface, lora or LoraSettings()
        self.base_name, self.base_fingerprint = base.name, base.fingerprint
        self.encoder = encoder.requires_grad_(False).eval()
        self.tokenizer, self.format = base.tokenizer, PromptFormat(base.tokenizer)
        device = base.model.get_input_embeddings().weight.device
        self.encoder.to(device)
        targets = self.lora_settings.targets
        self.lm: Any = peft.get_peft_model(
            base.model,
            peft.LoraConfig(
                r=self.lora_settings.rank,
                lora_alpha=self.lora_settings.alpha,
                lora_dropout=self.lora_settings.dropout,
                target_modules=targets if isinstance(targets, str) else list(targets),
                task_type="CAUSAL_LM",
            ),
        )
        self.width = self._width()
        self.connector = interface.connector(self.width, base.hidden).to(device)
        self._names = [self.format.name(noun(name).text) for name in encoder.labels]
        self._head = torch.tensor(self.format.head, dtype=torch.long, device=device)
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._head.device

    def adapters(self) -> dict[str, nn.Parameter]:
        """What is trained, by name: the connector and the LoRA matrices."""
        return {
            **{f"connector.{name}": p for name, p in self.connector.named_parameters()},
            **{f"lora.{name}": p for name, p in self.lm.named_parameters() if p.requires_grad},
        }

    # Listening

    @torch.no_grad()
    def hear(
        self,
        audio: ArrayLike | str | Path,
        sample_rate: int | None = None,
        order: Order = "ambix",
    ) -> Heard:
        """A recording, ready to be asked about.

        Parameters
        ----------
        audio : array [shape=(4, n)] or path
            W, Y, Z, X in SN3D, at most ten seconds; or a file of four channels.
        sample_rate : int, optional
            Of an array.
        order : {"ambix", "fuma"}
            Of the channels.

        Raises
        ------
        UserError
            See `st_audioqa.models.estimate.prepare_audio`; or the file cannot be read.
        """
        if isinstance(audio, (str, Path)):
            audio, sample_rate = _read(Path(audio))
        if sample_rate is None:
            raise UserError("Samples come with their sample rate in hertz: give sample_rate.")
        waveform = torch.as_tensor(prepare_audio(audio, sample_rate, order))[None]
        features = self.encoder.frontend.to(self.device)(waveform.to(self.device))
        return Heard(features, semantic_probability(self.encoder, features))

    def pieces(self, heard: Heard, names: Sequence[int]) -> list[Piece]:
        """Pieces of a recording; each is read once."""
        missing = [name for name in names if name not in heard.pieces]
        if missing:
            with torch.no_grad():
                read = self.interface.read(self.encoder, heard.features, missing)
            # the bytes that training sees
            heard.pieces |= {
                name: Piece(name, tokens.half().float())
                for name, tokens in zip(missing, read, strict=True)
            }
        return [heard.pieces[name] for name in names]

    # Embeddings and likelihoods

    def prefix(self, pieces: Sequence[Piece]) -> Tensor:
        """What stands before the questions [shape=(n, hidden)]."""
        embed = self.lm.get_input_embeddings()
        pieces = [Piece(p.name, p.tokens.to(self.device)) for p in pieces]

        def spoken(name: int) -> Tensor:
            return embed(torch.tensor(self._names[name], device=self.device))

        head = embed(self._head)
        return torch.cat([head, self.connector(pieces, spoken).to(head.dtype)])

    def asked(self, inquiry: Inquiry) -> Asked:
        """The token ids of a question and its options.

        Raises
        ------
        UserError
            The question is empty, or longer than anybody asks.
        """
        text = inquiry.question
        if not text.strip():
            raise UserError("A question is wanted, got an empty one: ask something.")
        if len(text) > _LONGEST:
            raise UserError(
                f"A question has at most {_LONGEST} characters, got {len(text)}: shorten it."
            )
        answers = tuple(tuple(self.format.answer(option)) for option in inquiry.options)
        return Asked(tuple(self.format.question(text)), answers)

    def log_likelihoods(
        self, prefixes: Sequence[Tensor], packs: Sequence[Sequence[Asked]]
    ) -> Tensor:
        """Logarithm of the probability of every answer, in the order of packs [shape=(n,)]."""
        return self.judge(prefixes, packs).per_answer

    def judge(self, prefixes: Sequence[Tensor], packs: Sequence[Sequence[Asked]]) -> Judgement:
        """What the model thinks of every answer's tokens.

        Logits are computed where an answer's token is predicted and nowhere else.
        """
        layout = lay_out([len(prefix) for prefix in prefixes], packs).to(self.device)
        core = self.lm.get_base_model()
        text = core.get_input_embeddings()(layout.ids.clamp_min(0))
        embeddings = torch.stack(
            [
                torch.cat([prefix.to(text.dtype), text[row, len(prefix) :]])
                for row, prefix in enumerate(prefixes)
            ]
        )
        hidden = core.get_decoder()(
            inputs_embeds=embeddings,
            attention_mask=_as_added(layout.mask, core),
            position_ids=layout.positions,
            use_cache=False,
        ).last_hidden_state
        logits = core.get_output_embeddings()(hidden[layout.row, layout.place]).float()
        chosen = logits.gather(1, layout.target[:, None])[:, 0] - logits.logsumexp(dim=1)
        return Judgement(layout, chosen, logits.detach().argmax(dim=1) == layout.target)

    # Answers

    def answer(
        self,
        audio: ArrayLike | str | Path,
        question: str,
        options: Sequence[str] = (),
        *,
        sample_rate: int | None = None,
        order: Order = "ambix",
    ) -> str:
        """The answer to one question about a recording; see `hear` and `answer_all`."""
        heard = self.hear(audio, sample_rate, order)
        return self.answer_all(heard, [Inquiry(question, tuple(options))])[0]

    def answer_all(
        self, heard: Heard, inquiries: Sequence[Inquiry], *, score: bool = True
    ) -> list[str]:
        """Answers to several questions about one recording.

        Parameters
        ----------
        heard : Heard
        inquiries : sequence of Inquiry
        score : bool
            Take the likeliest of the options where there are any; else free text, greedily.
        """
        chosen = [bool(each.options) and score for each in inquiries]
        answers = [""] * len(inquiries)
        closed = [i for i, c in enumerate(chosen) if c]
        likelihoods = self.score(heard, [inquiries[i] for i in closed])
        for i, values in zip(closed, likelihoods, strict=True):
            answers[i] = inquiries[i].options[int(values.argmax())]
        free = [i for i, c in enumerate(chosen) if not c]
        said = self.generate(heard, [inquiries[i].question for i in free])
        for i, text in zip(free, said, strict=True):
            answers[i] = text
        return answers

    @torch.no_grad()
    def score(self, heard: Heard, inquiries: Sequence[Inquiry]) -> list[NDArray[np.float32]]:
        """Logarithms of the probabilities of the options of each question.

        Questions with the same audio prefix lie behind one copy of it.
        """
        found: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(inquiries)
        with self._resting():
            for names, members in self._groups(heard, [q.question for q in inquiries]):
                prefix = self.prefix(self.pieces(heard, names))
                asked = [self.asked(inquiries[i]) for i in members]
                for first, last in _rows(asked):
                    values = self.log_likelihoods([prefix], [asked[first:last]])
                    sizes = [len(each.answers) for each in asked[first:last]]
                    for i, part in zip(members[first:last], values.split(sizes), strict=True):
                        found[i] = part.float().cpu().numpy()
        return found

    @torch.no_grad()
    def generate(
        self, heard: Heard, questions: Sequence[str], *, max_tokens: int = _NEW_TOKENS
    ) -> list[str]:
        """Free answers, greedily; all questions with the same prefix at once."""
        answers = [""] * len(questions)
        embed = self.lm.get_input_embeddings()
        with self._resting():
            for names, members in self._groups(heard, questions):
                prefix = self.prefix(self.pieces(heard, names))
                rows = [
                    torch.cat([prefix, embed(torch.tensor(ids, device=self.device))])
                    for i in members
                    for ids in [self.asked(Inquiry(questions[i])).question]
                ]
                longest = max(map(len, rows))
                embeddings = torch.stack(
                    [nn.functional.pad(row, (0, 0, longest - len(row), 0)) for row in rows]
                )
                mask = torch.tensor(
                    [[0] * (longest - len(row)) + [1] * len(row) for row in rows],
                    device=self.device,
                )
                end = int(self.tokenizer.eos_token_id)
                made = self.lm.generate(
                    inputs_embeds=embeddings,
                    attention_mask=mask,
                    max_new_tokens=max_tokens,
                    do_sample=False,
                    eos_token_id=end,
                    pad_token_id=end,
                )
                texts = self.tokenizer.batch_decode(made, skip_special_tokens=True)
                for i, text in zip(members, texts, strict=True):
                    answers[i] = text.strip()
        return answers

    # Storage

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        base: str | None = None,
        encoder: str | Path | None = None,
        device: str | None = None,
    ) -> STAudioLM:
        """The model of a folder, ready to answer; see `st_audioqa.models.lm.storage`."""
        from st_audioqa.models.lm.storage import load_lm

        return load_lm(Path(folder), base=base, encoder=encoder, device=device)

    def save_pretrained(self, folder: str | Path, *, half: bool = False) -> None:
        """Writes adapters and encoder; the base stays where it is."""
        from st_audioqa.models.lm.storage import save_lm

        save_lm(self, Path(folder), half=half)

    def describe(self) -> dict[str, Any]:
        """What the adapters belong to, as JSON values."""
        return {
            "base": {"name": self.base_name, "fingerprint": self.base_fingerprint},
            "encoder": {"kind": self.encoder.kind, "fingerprint": fingerprint(self.encoder)},
            "interface": dict(self.interface.describe()),
            "lora": asdict(self.lora_settings),
            "width": self.width,
            "hidden": int(self.lm.get_input_embeddings().weight.shape[1]),
        }

    def _groups(
        self, heard: Heard, questions: Sequence[str]
    ) -> Iterator[tuple[tuple[int, ...], list[int]]]:
        """Indices of questions by the pieces that they want."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, question in enumerate(questions):
            groups.setdefault(self.interface.wanted(question, heard.probability), []).append(i)
        yield from groups.items()

    @contextmanager
    def _resting(self) -> Iterator[None]:
        was = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(was)

    def train(self, mode: bool = True) -> STAudioLM:
        """As in torch, but the encoder stays as it is."""
        super().train(mode)
        self.encoder.eval()
        return self

    @torch.no_grad()
    def _width(self) -> int:
        """Width of the interface's tokens, found by a look at silence."""
        frontend = self.encoder.frontend.to(self._device_of_encoder())
        silence = torch.zeros(1, 4, SCENE_SAMPLES, device=self._device_of_encoder())
        return int(self.interface.read(self.encoder, frontend(silence), [CLIP])[0].shape[-1])

    def _device_of_encoder(self) -> torch.device:
        return next(self.encoder.parameters()).device


@torch.no_grad()
def semantic_probability(encoder: SpatialEncoder, features: Tensor) -> NDArray[np.float32]:
    """What an encoder says of the classes of one clip [shape=(classes,)]."""
    outputs = encoder(features, dynamic=False)
    return torch.sigmoid(outputs["semantic"][0].float()).cpu().numpy()


def _as_added(mask: Tensor, model: Any) -> Tensor:
    """The mask as the model's attention takes it: truth values, or numbers to be added."""
    if model.config._attn_implementation == "sdpa":
        return mask
    dtype = model.get_input_embeddings().weight.dtype
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(
        ~mask, torch.finfo(dtype).min
    )


def _rows(asked: Sequence[Asked]) -> Iterator[tuple[int, int]]:
    """Runs of questions that fit into one row."""
    first = size = 0
    for i, each in enumerate(asked):
        own = len(each.question) + sum(map(len, each.answers))
        if i > first and size + own > _ROW_TOKENS:
            yield first, i
            first, size = i, 0
        size += own
    if asked:
        yield first, len(asked)


def _read(path: Path) -> tuple[NDArray[np.float32], int]:
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise UserError(
            f"{path} cannot be read as audio ({error}): give a WAV or FLAC file."
        ) from error
    if samples.shape[1] != 4:
        raise UserError(
            f"{path} has {samples.shape[1]} channels, and four are wanted (first-order "
            "ambisonics: W, Y, Z, X): record or render it so."
        )
    return samples.T, int(rate)
