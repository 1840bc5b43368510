"""Text: splitting, joining, counting, formatting."""

text = "the quick brown fox jumps over the lazy dog and runs away from it " * 120
counts = {}
for _ in range(24):
    for word in text.split():
        counts[word] = counts.get(word, 0) + 1
    text = " ".join(word.upper() if len(word) > 4 else word.lower() for word in text.split())
    text = text.replace("quick", "slow").replace("SLOW", "quick")
rows = [f"{word:>10}|{count:06d}|{count / 7:.3f}" for word, count in sorted(counts.items())]
print(len(text), "".join(rows)[:60], text.find("dog"), text.count("the"))
