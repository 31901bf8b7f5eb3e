"""Answers of a model as they are received: the cost of a hostile stream."""

import json
from time import thread_time

from roadmap.generation.llm.answer_stream import LONGEST_REFUSAL, AnswerStream


def sent(**delta: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': delta}]})}\n".encode()


def test_a_refusal_without_end_is_cut() -> None:
    stream, piece = AnswerStream(), sent(refusal="no" * 500) * 64
    began = thread_time()
    for _ in range(64):
        stream.feed(piece)
    assert thread_time() - began < 1.0
    stream.feed(b'data: {"usage": {"prompt_tokens": 1}}\ndata: [DONE]\n')
    refusal = stream.answer()["choices"][0]["message"]["refusal"]
    assert len(refusal) == LONGEST_REFUSAL
