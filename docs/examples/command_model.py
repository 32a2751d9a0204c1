"""The other side of `--model-arg run=...`: copy it into the model's own environment and fill in.

Needs Python 3.6 and nothing else. Everything the model prints must go to the standard error.
"""

import json
import sys

answers = sys.stdout
sys.stdout = sys.stderr  # so that prints of the model's libraries do not get in between


def load():
    """Load the model here."""
    return


def ask(model, wav_path, question):
    """Ask it: `wav_path` is a 32-bit float WAV with the channels and the rate declared below."""
    return "yes"


model = load()
who = {
    "name": "my-model",
    "revision": "1",
    "audio": "binaural",
    "sample_rate": 32000,
    "max_s": 10,
}
print(json.dumps(who), file=answers, flush=True)
for line in sys.stdin:
    row = json.loads(line)
    try:
        reply = {"id": row["id"], "response": ask(model, row["audio"], row["question"])}
    except Exception as error:
        reply = {"id": row["id"], "error": repr(error)}
    print(json.dumps(reply), file=answers, flush=True)
