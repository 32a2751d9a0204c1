"""Qwen2-Audio's adapter on the real classes with tiny random weights."""

import numpy as np
import pytest

from st_audioqa.baselines.qwen2_audio import Model
from st_audioqa.errors import UserError
from st_audioqa.evaluation import Prompt, Request, RunContext, read_predictions, run
from tests.test_evaluation_questions import make_questions

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

# As published for the model: each clip is announced, the question follows.
TEMPLATE = (
    "{% set count = namespace(value=0) %}{% for message in messages %}<|im_start|>"
    "{{ message['role'] }}\n{% for part in message['content'] %}{% if part['type'] == 'audio' %}"
    "{% set count.value = count.value + 1 %}Audio {{ count.value }}: "
    "<|audio_bos|><|AUDIO|><|audio_eos|>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<|im_start|>", "<|im_end|>", "<pad>"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("tiny-qwen2-audio")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {token: i for i, token in enumerate([*alphabet, *SPECIAL])}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<pad>"
    )
    features = transformers.WhisperFeatureExtractor(feature_size=16)
    transformers.Qwen2AudioProcessor(features, fast, chat_template=TEMPLATE).save_pretrained(
        folder
    )
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    audio = {
        "num_mel_bins": 16,
        "d_model": 24,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
    }
    config = transformers.Qwen2AudioConfig(
        audio_config=audio, text_config=text, audio_token_index=words["<|AUDIO|>"]
    )
    torch.manual_seed(0)
    model = transformers.Qwen2AudioForConditionalGeneration(config)
    model.generation_config.eos_token_id = words["<|im_end|>"]
    model.generation_config.pad_token_id = words["<pad>"]
    model.save_pretrained(folder)
    return folder


def load(weights, **arguments):
    given = {"weights": str(weights), "max_tokens": "8", "device": "cpu", **arguments}
    return Model(RunContext(lambda split: (), lambda scene_id: None, arguments=given))


def request(audio, text="Where is the dog?"):
    return Request(Prompt("q", "s", text, ("left", "right"), "azimuth"), audio, 16_000)


def test_a_run_answers_every_question(weights, tmp_path):
    questions = make_questions(3)
    noise = np.random.default_rng(0).normal(0, 0.05, (4, 320_000)).astype(np.float32)
    report = run(load(weights), questions, lambda s: noise, tmp_path / "p", progress=False)
    assert (report.asked, report.failed) == (len(questions), 0), report.first_error
    found = read_predictions(tmp_path / "p")
    assert all(isinstance(row.response, str) for row in found.predictions)
    assert found.header.audio["layout"] == "mono"
    assert found.header.settings["decoding"] == "greedy"


def test_each_channel_is_a_clip_and_the_model_is_told(weights):
    model = load(weights, audio="stereo")
    prompt = model._prompt(request(None), 2)
    assert prompt.count("<|AUDIO|>") == 2
    assert "clip 2 by a cardioid microphone that points to the right" in prompt
    noise = np.random.default_rng(1).normal(0, 0.05, (2, 16_000)).astype(np.float32)
    # 1 s is 100 frames, of which every fourth is a token: 25 for each channel.
    seen = []
    model._model.generate = lambda **inputs: seen.append(inputs) or inputs["input_ids"]
    model.answer([request(noise)])
    token = model._model.config.audio_token_index
    assert int((seen[0]["input_ids"] == token).sum()) == 2 * 25
    assert len(seen[0]["input_features"]) == 2


def test_an_answer_does_not_depend_on_its_batch(weights):
    model = load(weights)
    rng = np.random.default_rng(2)
    asked = [
        request(rng.normal(0, 0.1, (1, 16_000 * n)).astype(np.float32), "Why? " * n)
        for n in (1, 2, 3)
    ]
    assert model.answer(asked) == [model.answer([one])[0] for one in asked]


def test_weights_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be loaded to cpu"):
        load(tmp_path)
