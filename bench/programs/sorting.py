"""Sorting numbers, texts and records."""

state, numbers = 12345, []
for _ in range(30000):
    state = (state * 1103515245 + 12345) % 2147483648
    numbers.append(state)
records = [(n % 100, str(n), n) for n in numbers[:8000]]
records.sort(key=lambda record: (record[0], record[1]))
words = sorted(str(n) for n in numbers[:10000])
numbers.sort(reverse=True)
print(sorted(numbers)[15000], records[4000][2], words[5000], numbers[0])
