"""Where audio and question stand in a base model's own chat format."""

from __future__ import annotations

from typing import Any

__all__ = ["PromptFormat"]

_AUDIO, _QUESTION = "[[audio]]", "[[question]]"
_SYSTEM = "Answer briefly."
"""Some templates put a longer text of their own where there is none."""


class PromptFormat:
    """Token ids of what stands before the audio, of a question with what follows, of an answer.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Its chat template is kept to; without one the words "Question:" and "Answer:" serve.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        text = self._template(f"{_AUDIO}{_QUESTION}")
        head, rest = text.split(_AUDIO)
        self._before, self._after = rest.split(_QUESTION)
        self.head = self._ids(head)

    def question(self, text: str) -> list[int]:
        """From the end of the audio to where the answer begins."""
        return self._ids(f"{self._before}{text}{self._after}")

    def answer(self, text: str) -> list[int]:
        """An answer and the token that ends it."""
        return [*self._ids(text), int(self._tokenizer.eos_token_id)]

    def name(self, text: str) -> list[int]:
        """A name as it stands within a sentence."""
        return self._ids(f" {text}")

    def _template(self, content: str) -> str:
        if not getattr(self._tokenizer, "chat_template", None):
            return content.replace(_QUESTION, f"Question: {_QUESTION}\nAnswer: ")
        messages = [{"role": "user", "content": content}]
        try:
            return str(self._apply([{"role": "system", "content": _SYSTEM}, *messages]))
        except Exception:  # templates refuse a system message in ways of their own
            return str(self._apply(messages))

    def _apply(self, messages: list[dict[str, str]]) -> Any:
        return self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
