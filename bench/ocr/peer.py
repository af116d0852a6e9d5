"""peer.py NAME THREADS PAGE...: reads the pages with a peer after one page to warm up, and prints {wall_s, cpu_s, peak_rss_mb, texts}.
peer.py score: reads [{truth, text}] on stdin and prints [{cer, f1}]."""
import collections
import concurrent.futures
import io
import json
import os
import re
import resource
import subprocess
import sys
import time
import unicodedata


def rapidocr(threads):
    import numpy as np
    from PIL import Image
    from rapidocr import RapidOCR
    engine = RapidOCR(params={"EngineConfig.onnxruntime.intra_op_num_threads": threads, "Global.log_level": "error"})

    def read(path):
        return " ".join(engine(np.asarray(Image.open(path).convert("RGB"))).txts or [])

    return read


def faster_paddle(size, threads):
    from faster_paddle import OcrEngine
    from PIL import Image
    engine = OcrEngine(model_size=size, threads=threads)

    def read(path):
        b = io.BytesIO()
        Image.open(path).convert("RGB").save(b, "BMP")
        return engine.ocr(b.getvalue())["text"]

    return read


def tesseract(path):
    env = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    return subprocess.run(["tesseract", path, "-", "-l", "eng", "--psm", "3"], env=env, check=True, capture_output=True, text=True).stdout


def measure(name, threads, pages):
    at_once = 1
    if name == "rapidocr-small":
        read = rapidocr(threads)
    elif name.startswith("faster-paddle-"):
        read = faster_paddle(name.rsplit("-", 1)[1], threads)
    else:
        read, at_once = tesseract, threads
    read(pages[0])
    wall, cpu = time.monotonic(), cpu_seconds()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        texts = list(pool.map(read, pages))
    peak = max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(json.dumps({"wall_s": time.monotonic() - wall, "cpu_s": cpu_seconds() - cpu, "peak_rss_mb": peak, "texts": texts}))


def cpu_seconds():
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def plain(text):
    """What typography may change without a reading error."""
    text = unicodedata.normalize("NFKC", text)
    for a, b in zip("“”„’‘–—‐−", "\"\"\"''----"):
        text = text.replace(a, b)
    return re.sub(r"\s+", " ", text).strip()


def distance(a, b):
    import numpy as np
    a, b = (np.array([ord(c) for c in s], dtype=np.int64) for s in (a, b))
    row, steps = np.arange(len(b) + 1), np.arange(len(b) + 1)
    for i, c in enumerate(a):
        new = np.concatenate(([i + 1], np.minimum(row[1:] + 1, row[:-1] + (b != c))))
        row = np.minimum.accumulate(new - steps) + steps
    return int(row[-1])


def score(pairs):
    out = []
    for p in pairs:
        truth, text = plain(p["truth"]), plain(p["text"])
        a, b = collections.Counter(truth.split()), collections.Counter(text.split())
        out.append({"cer": distance(truth, text) / max(1, len(truth)), "f1": 2 * sum((a & b).values()) / max(1, a.total() + b.total())})
    return out


if __name__ == "__main__":
    if sys.argv[1] == "score":
        print(json.dumps(score(json.load(sys.stdin))))
    else:
        measure(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
