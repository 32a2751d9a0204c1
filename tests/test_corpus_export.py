"""The audio of a corpus in other layouts, as files."""

import json

import numpy as np
import pytest
import soundfile
from conftest import make_corpus, small_recipe

from st_audioqa.corpus import Corpus
from st_audioqa.corpus.export import export_audio
from st_audioqa.decoding import Decoder, write_wav
from st_audioqa.errors import UserError


def test_every_scene_becomes_the_file_that_its_decoder_gives(corpus_dir, tmp_path):
    corpus, decoder = Corpus(corpus_dir), Decoder("binaural", sample_rate=16_000)
    assert export_audio(corpus, tmp_path, decoder, ["test"]) == 5
    for scene in corpus.scenes("test"):
        samples, rate = soundfile.read(
            tmp_path / "test" / f"{scene.scene_id}.wav", dtype="float32"
        )
        assert (rate, samples.shape) == (16_000, (160_000, 2))
        np.testing.assert_array_equal(samples.T, decoder(corpus.audio(scene.scene_id)))
    told = json.loads((tmp_path / "audio.json").read_text())
    assert told["audio"] == decoder.describe()
    assert told["engine"] == "image-source"
    assert len(told["manifest_sha256"]) == 64
    assert len(list(tmp_path.rglob("*"))) == 7


def test_an_export_goes_on_and_gives_the_same_bytes(corpus_dir, tmp_path):
    corpus, decoder = Corpus(corpus_dir), Decoder("stereo")
    calls = []
    export_audio(
        corpus, tmp_path, decoder, ["test"], lambda s: (calls.append(1) or x for x in s)
    )
    files = {path: path.read_bytes() for path in tmp_path.rglob("*.wav")}
    lost = sorted(files)[2]
    lost.unlink()
    assert export_audio(corpus, tmp_path, decoder) == 1 + 10
    assert {path: path.read_bytes() for path in files} == files
    assert len(calls) == 5


def test_other_audio_is_not_mixed_in(corpus_dir, tmp_path):
    corpus = Corpus(corpus_dir)
    export_audio(corpus, tmp_path, Decoder("mono"), ["test"])
    with pytest.raises(UserError, match="choose another output folder"):
        export_audio(corpus, tmp_path, Decoder("mono", sample_rate=16_000), ["test"])


def test_a_corpus_without_audio_is_told(tmp_path):
    corpus = Corpus(make_corpus(tmp_path / "c", small_recipe(), with_audio=False))
    with pytest.raises(UserError, match="holds no audio"):
        export_audio(corpus, tmp_path / "out", Decoder("mono"))


@pytest.mark.parametrize("name", ["../escape", "a/b", "/etc/x", ".hidden", ""])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(UserError, match="name of its file"):
        write_wav(tmp_path / "in", name, np.zeros((1, 9)), 32_000)
    assert not list(tmp_path.iterdir())
