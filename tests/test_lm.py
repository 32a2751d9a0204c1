"""ST-AudioLM: packing, splice, answers, storage."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from st_audioqa.errors import UserError  # noqa: E402
from st_audioqa.models import Encoder, STAudioLM  # noqa: E402
from st_audioqa.models.config import preset  # noqa: E402
from st_audioqa.models.lm import Inquiry, base, load_base  # noqa: E402
from st_audioqa.models.lm.interfaces import CLIP, INTERFACES  # noqa: E402
from st_audioqa.models.lm.interfaces.tracks import named_classes  # noqa: E402
from st_audioqa.models.lm.packing import Asked, lay_out  # noqa: E402
from st_audioqa.models.lm.storage import make_interface  # noqa: E402
from st_audioqa.models.lm.tiny import tiny_tokenizer  # noqa: E402

LABELS = ("Bark", "Bass drum", "Drum", "Rain")
RATE = 32_000


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_encoder(seed=0):
    torch.manual_seed(seed)
    config = {**preset("test").to_dict(), "labels": LABELS}
    encoder = Encoder.from_config(config)
    encoder.trained_stage = 4
    return encoder


def make_model(kind="paper", named="test", **settings):
    torch.manual_seed(1)
    interface = make_interface(LABELS, kind, settings)
    return STAudioLM(make_encoder(), interface, load_base(named))


def randomise_lora(model):
    """LoRA begins as zero; here it is to matter."""
    torch.manual_seed(2)
    with torch.no_grad():
        for p in model.adapters().values():
            p += 0.05 * torch.randn_like(p)
    return model


@pytest.fixture(scope="module")
def audio():
    return np.random.default_rng(0).normal(0, 0.1, (4, 10 * RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def paper():
    return randomise_lora(make_model())


@pytest.fixture(scope="module")
def tracks():
    return randomise_lora(make_model("tracks"))


@pytest.fixture(scope="module")
def olmo2(tmp_path_factory):
    """A folder with the real classes of OLMo2 at a tiny size."""
    from transformers import Olmo2Config, Olmo2ForCausalLM

    folder = tmp_path_factory.mktemp("olmo2")
    tokenizer = tiny_tokenizer()
    torch.manual_seed(3)
    Olmo2ForCausalLM(
        Olmo2Config(
            vocab_size=len(tokenizer),
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            pad_token_id=None,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


QUESTIONS = [
    Inquiry("Where is the rain?", ("front", "front-left", "back")),
    Inquiry("Is the bark moving?", ("yes", "no")),
    Inquiry("How far is it at the end?", ("0.0-0.5 m", "2.0-2.5 m")),
]


def alone(model, prefix, asked):
    """Log-likelihoods of the options, each as a plain causal sequence of its own."""
    core = model.lm.get_base_model()
    embed = core.get_input_embeddings()
    found = []
    for answer in asked.answers:
        text = embed(torch.tensor([*asked.question, *answer]))
        logits = core(inputs_embeds=torch.cat([prefix, text])[None]).logits[0].float()
        at = len(prefix) + len(asked.question) - 1
        chosen = logits[at : at + len(answer)].log_softmax(dim=-1)
        found.append(chosen[range(len(answer)), answer].sum())
    return torch.stack(found)


@pytest.mark.parametrize("which", ["paper", "tracks", "olmo2"])
def test_packed_questions_and_answers_are_worth_what_they_are_alone(which, audio, request):
    if which == "olmo2":
        folder = request.getfixturevalue("olmo2")
        model = randomise_lora(make_model(named=str(folder)))
    else:
        model = request.getfixturevalue(which)
    heard = model.hear(audio, RATE)
    with torch.no_grad():
        prefixes = [
            model.prefix(model.pieces(heard, (CLIP,))),
            torch.randn(7, model.describe()["hidden"]),
        ]
        packs = [[model.asked(q) for q in QUESTIONS], [model.asked(QUESTIONS[1])]]
        packed = model.log_likelihoods(prefixes, packs)
        wanted = torch.cat(
            [alone(model, p, a) for p, pack in zip(prefixes, packs, strict=True) for a in pack]
        )
    assert packed.std() > 0.1
    torch.testing.assert_close(packed, wanted, atol=1e-5, rtol=1e-5)


def test_a_step_of_training_on_olmo2_lowers_its_loss_and_leaves_the_base_alone(olmo2, audio):
    model = make_model(named=str(olmo2))
    pieces = model.pieces(model.hear(audio, RATE), (CLIP,))
    asked = [model.asked(Inquiry(q.question, q.options[:1])) for q in QUESTIONS]
    learned = model.adapters()
    base = {
        name: value.detach().clone()
        for name, value in model.lm.named_parameters()
        if not value.requires_grad
    }

    def loss():
        return -model.log_likelihoods([model.prefix(pieces)], [asked]).sum()

    optimiser = torch.optim.AdamW(learned.values(), lr=1e-3)
    before = loss()
    before.backward()
    optimiser.step()
    assert float(loss().detach()) < float(before.detach())
    for name, value in model.lm.named_parameters():
        if name in base:
            torch.testing.assert_close(value, base[name], atol=0, rtol=0)


def test_gradients_of_packed_questions_are_those_of_separate_ones(paper, audio):
    heard = paper.hear(audio, RATE)
    asked = [paper.asked(Inquiry(q.question, q.options[:1])) for q in QUESTIONS]
    pieces = paper.pieces(heard, (CLIP,))
    weights = list(paper.adapters().values())

    def gradients(packs):
        prefixes = [paper.prefix(pieces) for _ in packs]
        return torch.autograd.grad(paper.log_likelihoods(prefixes, packs).sum(), weights)

    together, apart = gradients([asked]), gradients([[a] for a in asked])
    assert max(float(g.abs().max()) for g in together) > 0.01
    for a, b in zip(together, apart, strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


def test_a_layout_predicts_answer_tokens_and_nothing_else():
    layout = lay_out([2], [[Asked((5, 6), ((7, 9), (8, 9))), Asked((4,), ((9,),))]])
    assert layout.ids.tolist() == [[-1, -1, 5, 6, 7, 8, 4]]
    assert layout.positions.tolist() == [[0, 1, 2, 3, 4, 4, 2]]
    assert layout.target.tolist() == [7, 9, 8, 9, 9]
    assert layout.place.tolist() == [3, 4, 3, 5, 6]
    assert layout.owner.tolist() == [0, 0, 1, 1, 2]
    seen = layout.mask[0, 0]
    assert seen[4].tolist() == [True, True, True, True, True, False, False]
    assert seen[5].tolist() == [True, True, True, True, False, True, False]
    assert seen[6].tolist() == [True, True, False, False, False, False, True]


def test_the_paper_gives_one_semantic_and_forty_temporal_tokens(paper, audio):
    heard = paper.hear(audio, RATE)
    tokens = paper.pieces(heard, (CLIP,))[0].tokens
    outputs = paper.encoder(heard.features)
    assert tokens.shape == (41, 16)
    torch.testing.assert_close(tokens[0], outputs["semantic_token"][0], atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(tokens[1:], outputs["temporal_tokens"][0], atol=2e-3, rtol=1e-3)
    assert len(paper.prefix([paper.pieces(heard, (CLIP,))[0]])) == 41 + len(paper.format.head)


def test_tracks_follow_the_names_in_the_question(tracks, audio):
    wanted = tracks.interface.wanted
    quiet = np.zeros(4, np.float32)
    assert wanted("Is the rain left of the bass drum?", quiet) == (CLIP, 1, 3)
    assert wanted("Where is the sound?", np.array([0.1, 0.0, 0.9, 0.8])) == (CLIP, 2, 3)
    assert wanted("Where is the sound?", quiet) == (CLIP, 0)
    heard = tracks.hear(audio, RATE)
    rain = tracks.pieces(heard, (CLIP, 3))[1].tokens
    outputs = tracks.encoder(heard.features, torch.tensor([[3]]))
    torch.testing.assert_close(
        rain[:, 17:20], outputs["query_direction"][0, 0], atol=2e-3, rtol=1e-3
    )
    # semantic, "any source", 40 bins, the name, 40 bins
    name = tracks.format.name("rain")
    prefix = tracks.prefix(tracks.pieces(heard, (CLIP, 3)))
    assert len(prefix) == len(tracks.format.head) + 42 + len(name) + 40
    embedded = tracks.lm.get_input_embeddings()(torch.tensor(name))
    at = len(tracks.format.head) + 42
    torch.testing.assert_close(prefix[at : at + len(name)], embedded)


def test_a_longer_name_is_not_taken_for_a_shorter_one():
    read = named_classes(LABELS)
    assert read("Does the Bass drum start left of the rain, or rainy?") == (1, 3)
    assert read("Is a drum there?") == (2,)


def test_the_likeliest_option_is_answered(paper, audio):
    heard = paper.hear(audio, RATE)
    scores = paper.score(heard, QUESTIONS)
    said = paper.answer_all(heard, QUESTIONS)
    assert [len(s) for s in scores] == [3, 2, 2]
    assert said == [q.options[int(s.argmax())] for q, s in zip(QUESTIONS, scores, strict=True)]
    one = paper.answer(audio, QUESTIONS[0].question, QUESTIONS[0].options, sample_rate=RATE)
    assert one == said[0]


def test_free_answers_of_a_batch_are_those_of_single_questions(paper, audio):
    heard = paper.hear(audio, RATE)
    questions = ["What sounds?", "Tell me what it is that you can hear in here."]
    together = paper.generate(heard, questions, max_tokens=6)
    assert together == [paper.generate(heard, [q], max_tokens=6)[0] for q in questions]


def test_a_stored_model_answers_as_before(paper, audio, tmp_path):
    paper.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        again = STAudioLM.from_pretrained(tmp_path)
    for a, b in zip(
        paper.score(paper.hear(audio, RATE), QUESTIONS),
        again.score(again.hear(audio, RATE), QUESTIONS),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_a_stored_model_of_16_bits_belongs_to_the_same_base_and_encoder(paper, tmp_path):
    paper.save_pretrained(tmp_path, half=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        STAudioLM.from_pretrained(tmp_path)


def test_another_base_is_named_in_a_warning(paper, tmp_path):
    paper.save_pretrained(tmp_path / "lm")
    other = load_base("test")
    with torch.no_grad():
        other.model.lm_head.weight += 1.0
    other.model.save_pretrained(tmp_path / "base")
    other.tokenizer.save_pretrained(tmp_path / "base")
    with pytest.warns(UserWarning, match="another base"):
        STAudioLM.from_pretrained(tmp_path / "lm", base=str(tmp_path / "base"))


def test_a_base_of_another_width_is_refused(paper, olmo2, tmp_path):
    paper.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"width 32 \(test\).*has 48"):
        STAudioLM.from_pretrained(tmp_path, base=str(olmo2))


def test_missing_and_damaged_weights_are_told(paper, tmp_path):
    with pytest.raises(UserError, match="holds no ST-AudioLM"):
        STAudioLM.from_pretrained(tmp_path / "nowhere")
    paper.save_pretrained(tmp_path)
    path = tmp_path / "adapters.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        STAudioLM.from_pretrained(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match="holds no weights"):
        STAudioLM.from_pretrained(tmp_path)


def test_a_missing_base_tells_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("ST_AUDIOQA_MODELS", str(tmp_path))
    monkeypatch.setitem(base.BASES, "small", str(tmp_path / "absent"))
    with pytest.raises(UserError, match="st-audioqa models fetch smollm2"):
        load_base("small")


def test_too_little_memory_is_told_before_loading(monkeypatch, olmo2):
    monkeypatch.setattr(base, "available_bytes", lambda: 1000)
    with pytest.raises(UserError, match="GB of memory"):
        load_base(str(olmo2), device="cpu")


@pytest.mark.parametrize(
    ("question", "message"), [("  ", "empty"), ("where " * 200_000, "at most 4000 characters")]
)
def test_impossible_questions_are_refused(paper, audio, question, message):
    with pytest.raises(UserError, match=message):
        paper.answer(audio, question, sample_rate=RATE)


def test_audio_that_is_not_ambisonic_is_refused(paper, tmp_path):
    import soundfile

    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.zeros((RATE, 2)), RATE)
    with pytest.raises(UserError, match="2 channels"):
        paper.answer(path, "Where is it?")
    with pytest.raises(UserError, match="shape"):
        paper.answer(np.zeros((2, RATE)), "Where is it?", sample_rate=RATE)


def test_a_question_in_no_known_form_is_answered(paper, audio):
    assert isinstance(paper.answer(audio, "tell me a joke", sample_rate=RATE), str)


def test_an_encoder_without_tracks_is_refused_by_name(audio):
    class Static(Encoder):
        def forward(self, features, queries=None, *, dynamic=True, drop=(0.0, 0.0)):
            return super().forward(features, None, dynamic=False)

    encoder = Static.from_config({**preset("test").to_dict(), "labels": LABELS})
    with pytest.raises(UserError, match="'temporal_tokens'"):
        STAudioLM(encoder, make_interface(LABELS, "paper"), load_base("test"))


def test_an_unknown_interface_is_told_with_those_there_are():
    assert INTERFACES.names() == ["paper", "tracks"]
    with pytest.raises(UserError, match="audio-token interface"):
        make_interface(LABELS, "papr")
    with pytest.raises(UserError, match="no setting 'stride'"):
        make_interface(LABELS, "paper", {"stride": 2})
