"""pages.py FOLDER DENSE PLAIN SHARED: makes page images (PGM) with their text in pages.json. Always the same pages for the same documentation."""
import json
import pathlib
import random
import sys

from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = "/usr/share/fonts/truetype/liberation/Liberation"
FACES = ["Serif-Regular", "Sans-Regular", "Serif-Bold", "Sans-Italic"]
WIDTH, HEIGHT, MARGIN = 1700, 2200, 130  # 8.5 x 11 inches at 200 dpi


def words():
    """The words of the documentation, those that are plain text."""
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    found = []
    for f in sorted(root.glob("docs/*.md")) + sorted(root.glob("src/*/README.md")):
        found += [w for w in f.read_text(encoding="utf-8").split() if w.isascii() and sum(c.isalpha() for c in w) * 2 >= len(w)]
    if len(found) < 500:
        sys.exit("the documentation is too short to make pages of")
    return [w.strip("*`_#|") or "and" for w in found]


def page(number, pool, size, step):
    """One page of lines and its text."""
    rng = random.Random(number)
    font = ImageFont.truetype(f"{FONTS}{FACES[number % len(FACES)]}.ttf", size)
    im = Image.new("L", (WIDTH, HEIGHT), 250)
    d = ImageDraw.Draw(im)
    k, y, lines = rng.randrange(len(pool)), MARGIN, []
    while y < HEIGHT - MARGIN - step:
        line = ""
        while d.textlength(line + pool[k % len(pool)], font=font) < WIDTH - 2 * MARGIN:
            line += pool[k % len(pool)] + " "
            k += 1
        d.text((MARGIN, y), line.rstrip(), font=font, fill=30)
        lines.append(line.rstrip())
        y += step
    im = im.rotate([0, 0.4, -0.6, 0.2][number % 4], Image.BICUBIC, fillcolor=250).filter(ImageFilter.GaussianBlur(0.6))
    return Image.blend(im, grain(rng), 0.08), "\n".join(lines)


def grain(rng):
    """Grey noise that does not depend on the machine: a tile of random bytes, repeated."""
    tile = Image.frombytes("L", (256, 256), rng.randbytes(256 * 256))
    out = Image.new("L", (WIDTH, HEIGHT))
    for y in range(0, HEIGHT, 256):
        for x in range(0, WIDTH, 256):
            out.paste(tile, (x, y))
    return out


def scans(shared):
    """Scanned pages of the development set whose whole text is known."""
    index = shared / "devset/index.json"
    if not index.is_file():
        return
    for entry in json.loads(index.read_text()):
        truth = json.loads((shared / "devset/truth" / f"{entry['id']}.json").read_text(encoding="utf-8"))
        if entry["kind"] == "scan" and "text" in truth:
            yield Image.open(shared / "devset/files" / entry["file"]).convert("L"), truth["text"]


def main():
    folder, dense, plain, shared = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), pathlib.Path(sys.argv[4])
    folder.mkdir(parents=True, exist_ok=True)
    pool, out = words(), []

    def add(kind, im, text):
        name = f"{kind}-{len(out)}.pgm"
        im.save(folder / name)
        out.append({"kind": kind, "file": name, "text": text})

    for i in range(dense):
        add("dense", *page(i, pool, 30, 40))
    for i in range(plain):
        add("plain", *page(100 + i, pool, 34, 72))
    for im, text in scans(shared):
        add("scan", im, text)
    (folder / "pages.json").write_text(json.dumps(out))


if __name__ == "__main__":
    main()
