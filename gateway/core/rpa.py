class Irks:
    def __init__(self, k): self._d = {}
    def __len__(self): return len(self._d)
    def add(self, row, irk): self._d[row] = irk
    def drop(self, row): self._d.pop(row, None)
    def resolve(self, a, now): return None
