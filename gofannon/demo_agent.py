"""The demo agent: counts words. Its code runs on both runtimes."""

NAME = "word-count"

CODE = """\
import re

WORD = re.compile(r"\\w+(?:['\\u2019]\\w+)*")
SENTENCE_END = re.compile(r"[.!?]+(?:\\s+|$)")


def handler(event):
    text = event["text"]
    words = [word.lower() for word in WORD.findall(text)]
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10]
    sentences = [part for part in SENTENCE_END.split(text) if WORD.search(part)]
    return {"words": len(words), "sentences": len(sentences), "top": [[word, n] for word, n in top]}
"""

DEFINITION = {
    "name": NAME,
    "description": "Counts words and sentences, and names the ten most frequent words.",
    "friendly_name": NAME,
    "code": CODE,
    "input_schema": {"text": "string"},
    "output_schema": {"words": "integer", "sentences": "integer", "top": "array"},
}
