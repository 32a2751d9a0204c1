"""Questions per second of CPU time with ST-AudioLM: training, scoring, free answers; memory.

    python benchmarks/audiolm.py --base small --precision bf16 --interface paper

One setting per run, since memory is the peak of the process. Prints one line of a Markdown table.
The encoder is untrained: speed does not depend on what it knows.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import torch

from st_audioqa.models import Encoder, STAudioLM
from st_audioqa.models.config import preset
from st_audioqa.models.lm import Inquiry, load_base
from st_audioqa.models.lm.st_audiolm import LoraSettings
from st_audioqa.models.lm.storage import make_interface

SECTORS = ("front", "front-left", "left", "back-left", "back", "back-right", "right")
QUESTIONS = (
    ("Where is the bark at the beginning?", "front-left", SECTORS),
    ("Is the rain moving or stationary?", "moving", ("moving", "stationary")),
    ("How far away is the engine at the end?", "2.0-2.5 m", ("2.0-2.5 m", "0.5-1.0 m")),
    ("Does the bark get closer or farther?", "closer", ("closer", "farther")),
    ("Which sound moves closer, rain or engine?", "rain", ("rain", "engine", "both", "neither")),
    ("Is the moving source left of the stationary one in the middle?", "no", ("yes", "no")),
    ("Is the bark above, level or below at the end?", "level", ("above", "level", "below")),
    ("Does the rain change its distance more than the engine?", "yes", ("yes", "no")),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", default="small")
    parser.add_argument("--interface", default="paper")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--pack", type=int, default=8, help="Questions behind one prefix.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--targets", default="all-linear", help="Layers with LoRA.")
    parser.add_argument("--only", default="", help="train: leave out answering.")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    torch.manual_seed(0)
    labels = ("Bark", "Engine", "Rain")
    encoder = Encoder.from_config({**preset("small").to_dict(), "labels": labels})
    encoder.trained_stage = 4
    targets = (
        wanted.targets if wanted.targets == "all-linear" else tuple(wanted.targets.split(","))
    )
    interface = make_interface(labels, wanted.interface)
    model = STAudioLM(encoder, interface, load_base(wanted.base), LoraSettings(targets=targets))
    audio = np.random.default_rng(0).normal(0, 0.1, (4, 320_000)).astype(np.float32)
    heard = model.hear(audio, 32_000)
    weights = list(model.adapters().values())
    optimiser = torch.optim.AdamW(weights, lr=1e-4)
    asked = [model.asked(Inquiry(q, (a,))) for q, a, _ in QUESTIONS]
    packs = [asked[i : i + wanted.pack] for i in range(0, len(asked), wanted.pack)] * 2
    names = interface.wanted("", heard.probability)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=wanted.precision == "bf16"):
            prefixes = [model.prefix(model.pieces(heard, names)) for _ in packs]
            loss = -model.judge(prefixes, packs).per_answer.mean()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    model.train()
    train = sum(map(len, packs)) / seconds(step, wanted.steps)
    model.eval()
    inquiries = [Inquiry(q, options) for q, _, options in QUESTIONS]
    score = generate = float("nan")
    if wanted.only != "train":
        score = len(inquiries) / seconds(lambda: model.score(heard, inquiries), wanted.steps)
        texts = [q for q, _, _ in QUESTIONS]
        generate = len(texts) / seconds(
            lambda: model.generate(heard, texts, max_tokens=6), wanted.steps
        )
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"| {wanted.base} | {wanted.interface} | {wanted.targets} | {wanted.precision} | "
        f"{wanted.threads} | {wanted.pack} | {train:.2f} | {score:.2f} | {generate:.2f} | "
        f"{gigabytes:.1f} |",
        flush=True,
    )


def seconds(work, times: int) -> float:
    """CPU time of one call, the best of some after one that is not counted."""
    work()
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


if __name__ == "__main__":
    main()
