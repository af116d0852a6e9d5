#!/usr/bin/env python3
"""Makes examples/scan.pdf, a two-page scan without any text in it, and examples/scan.truth.md, what stands on it.

The pages are typeset here (title, headings, two columns, a list, a ruled table), drawn at twice the size, skewed a
little as on a real scanner, blurred, given noise, and stored as JPEG pictures in a PDF. The seed is fixed: the same
fonts and libraries give the same bytes. Needs Pillow, numpy and the fonts DejaVu and Liberation; after
tools/setup --dev: ~/.cache/platen/venv/bin/python examples/make_scan.py
"""
import io
from pathlib import Path

import numpy
from PIL import Image, ImageDraw, ImageFilter, ImageFont

DPI = 200
SCALE = 2  # drawn at this multiple, then reduced: smooth edges after the rotation
WIDTH_PT, HEIGHT_PT = 595, 842
PX = DPI * SCALE / 72  # pixels a point while drawing
MARGIN_PT, GUTTER_PT = 62, 20
COLUMN_PT = (WIDTH_PT - 2 * MARGIN_PT - GUTTER_PT) / 2
INK, PAPER = 25, 247
SEED = 20260823

FONTS = Path("/usr/share/fonts/truetype")
FACES = {
    "serif": "liberation/LiberationSerif-Regular.ttf",
    "italic": "liberation/LiberationSerif-Italic.ttf",
    "sans": "liberation/LiberationSans-Regular.ttf",
    "bold": "liberation/LiberationSans-Bold.ttf",
    "title": "dejavu/DejaVuSans-Bold.ttf",
}

TITLE = "A Document Service That Gives Memory Back"
BYLINE = "Working notes of the reading room, second edition"
LEAD = ("A small office scans about four hundred pages a day. The machine that turns those pages into text is shared "
        "with other work, so it has to be quick when it is needed and invisible when it is not. These notes say how "
        "the service is built and what it costs.")

PAGE_1 = [
    ("heading", "1. Why a service"),
    ("text", "Every program that reads documents has to open files from strangers. A file may be damaged, far too "
             "large, or made to do harm. When the reader lives inside a long-running program, one bad file can stop "
             "everybody else who is waiting in the queue."),
    ("text", "The service therefore starts a fresh process for each task. The process has no network and sees no "
             "files but the one that it was handed. When it ends, for whatever reason, the system takes back all of "
             "its memory, and the next task finds the machine as it was before."),
    ("heading", "2. What happens to a page"),
    ("text", "A page takes five steps from paper to text. Each step hands over a plain result, so that any one of "
             "them can be replaced or measured without touching the rest:"),
    ("list", ["turn the page upright and remove the skew;",
              "find the blocks: headings, columns, pictures and tables;",
              "find the lines inside each block and read them;",
              "put the blocks into the order in which a person reads;",
              "write the result as Markdown, HTML or JSON."]),
    ("text", "Reading is the expensive step. On two cores it takes about nine tenths of the time, which is why a "
             "small model reads every line first and a larger one reads again only the lines that look doubtful."),
    ("heading", "3. Memory"),
    ("text", "Before a task starts, its need is estimated from the number of pages and their size in pixels. If the "
             "machine cannot spare that much, the task waits. A task that grows past its share is stopped with a "
             "clear message; its neighbours never notice."),
    ("text", "After the last task the models stay loaded for a while, because the next request often follows within "
             "a minute. Then they are released as well, and the graphics card is empty again."),
]

PAGE_2 = [
    ("heading", "4. Figures from the first month"),
    ("text", "The table below was taken from the log of the first month. A page counts as clean when a person who "
             "compared it with the paper found no wrong word. Receipts are the hardest: they are narrow, faded and "
             "often folded."),
    ("text", "Letters and reports came from a flatbed scanner at 200 dots per inch. Receipts were photographed with "
             "a telephone, which explains both the lower share of clean pages and the longer time."),
]
CAPTION = "Table 1. Pages read in the first month, by kind of document"
TABLE = [
    ["Kind", "Pages", "Seconds", "Clean"],
    ["Letters", "3,120", "0.21", "98.7 %"],
    ["Reports", "4,875", "0.28", "97.9 %"],
    ["Receipts", "1,046", "0.35", "91.4 %"],
    ["Total", "9,041", "0.26", "97.4 %"],
]
PAGE_2_AFTER = [
    ("heading", "5. What we would do again"),
    ("text", "Starting a process for each task looked wasteful at first. Measured, it costs four milliseconds, less "
             "than the time in which a finger leaves the key. In return nobody has had to restart the service since "
             "March."),
    ("heading", "6. What we would not do again"),
    ("text", "We once kept the results in memory until they were fetched. Two clients who never came back were "
             "enough to fill the machine over a weekend. Results now go to the disk at once, and are removed after "
             "a day."),
    ("list", ["Write down every limit, and test what happens beyond it.",
              "Say which page failed, and return the others.",
              "Show progress to whoever is waiting."]),
]
FOOTER = "Reading room notes, page {}"


def px(points):
    return points * PX


class Page:
    """One page while it is drawn: y is the place of the next line, in points from the top."""

    def __init__(self):
        size = (round(px(WIDTH_PT)), round(px(HEIGHT_PT)))
        self.image = Image.new("L", size, PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.fonts = {}

    def font(self, face, size_pt):
        key = face, size_pt
        if key not in self.fonts:
            path = str(FONTS / FACES[face])
            self.fonts[key] = ImageFont.truetype(path, round(px(size_pt)), layout_engine=ImageFont.Layout.BASIC)
        return self.fonts[key]

    def width_pt(self, text, face, size_pt):
        return self.font(face, size_pt).getlength(text) / PX

    def word(self, x, y, text, face, size_pt, anchor="ls"):
        self.draw.text((px(x), px(y)), text, fill=INK, font=self.font(face, size_pt), anchor=anchor)

    def wrap(self, text, width, face, size_pt):
        lines, line = [], []
        for word in text.split():
            if line and self.width_pt(" ".join([*line, word]), face, size_pt) > width:
                lines.append(line)
                line = []
            line.append(word)
        return [*lines, line]

    def paragraph(self, x, y, width, text, face="serif", size_pt=13, justify=True):
        """Sets text below y and returns the y below it."""
        lead = size_pt * 1.28
        lines = self.wrap(text, width, face, size_pt)
        for number, line in enumerate(lines):
            y += lead
            gap = self.width_pt(" ", face, size_pt)
            if justify and number < len(lines) - 1 and len(line) > 1:
                words = sum(self.width_pt(word, face, size_pt) for word in line)
                gap = (width - words) / (len(line) - 1)
            at = x
            for word in line:
                self.word(at, y, word, face, size_pt)
                at += self.width_pt(word, face, size_pt) + gap
        return y

    def block(self, x, y, width, kind, content):
        if kind == "heading":
            return self.paragraph(x, y + 9, width, content, "bold", 14.5, justify=False) + 4
        if kind == "text":
            return self.paragraph(x, y, width, content) + 8
        for item in content:
            radius = 2
            self.draw.ellipse([px(x + 5 - radius), px(y + 12.5 - radius), px(x + 5 + radius), px(y + 12.5 + radius)],
                              fill=INK)
            y = self.paragraph(x + 15, y, width - 15, item, justify=False) + 2
        return y + 4

    def columns(self, y, blocks):
        """Two columns of equal width; breaks before the block that crosses the middle. Returns the y below both."""
        heights = [self.measure(COLUMN_PT, *block) for block in blocks]
        half, left, count = sum(heights) / 2, 0.0, 0
        while count < len(blocks) and left + heights[count] / 2 <= half:
            left += heights[count]
            count += 1
        while count > 1 and blocks[count - 1][0] == "heading":  # no heading alone at the foot of a column
            count -= 1
        ends = []
        for side, part in enumerate((blocks[:count], blocks[count:])):
            at = y
            for block in part:
                at = self.block(MARGIN_PT + side * (COLUMN_PT + GUTTER_PT), at, COLUMN_PT, *block)
            ends.append(at)
        return max(ends)

    def measure(self, width, kind, content):
        scratch = Page.__new__(Page)
        scratch.image = Image.new("L", (8, 8))
        scratch.draw, scratch.fonts = ImageDraw.Draw(scratch.image), self.fonts
        return scratch.block(0, 0, width, kind, content)

    def table(self, y, rows):
        row_pt, first_pt = 27, 150
        x0, x1 = MARGIN_PT + 25, WIDTH_PT - MARGIN_PT - 25
        other_pt = (x1 - x0 - first_pt) / (len(rows[0]) - 1)
        edges = [x0, *(x0 + first_pt + i * other_pt for i in range(len(rows[0])))]
        for r in range(len(rows) + 1):
            self.draw.line([px(x0), px(y + r * row_pt), px(x1), px(y + r * row_pt)], fill=INK, width=round(px(0.8)))
        for edge in edges:
            self.draw.line([px(edge), px(y), px(edge), px(y + len(rows) * row_pt)], fill=INK, width=round(px(0.8)))
        for r, row in enumerate(rows):
            face = "bold" if r in (0, len(rows) - 1) else "sans"
            for c, text in enumerate(row):
                at = edges[c] + 8 if c == 0 else edges[c + 1] - 8
                self.word(at, y + r * row_pt + 18, text, face, 12, anchor="ls" if c == 0 else "rs")
        return y + len(rows) * row_pt

    def footer(self, number):
        self.word(WIDTH_PT / 2, HEIGHT_PT - 38, FOOTER.format(number), "sans", 8.5, anchor="ms")


def draw_pages():
    first = Page()
    first.word(WIDTH_PT / 2, 88, TITLE, "title", 18, anchor="ms")
    first.word(WIDTH_PT / 2, 108, BYLINE, "italic", 11.5, anchor="ms")
    y = first.paragraph(MARGIN_PT, 122, WIDTH_PT - 2 * MARGIN_PT, LEAD, size_pt=13)
    first.columns(y + 10, PAGE_1)
    first.footer(1)

    second = Page()
    y = second.columns(60, PAGE_2)
    second.word(WIDTH_PT / 2, y + 24, CAPTION, "italic", 12, anchor="ms")
    y = second.table(y + 36, TABLE)
    second.columns(y + 14, PAGE_2_AFTER)
    second.footer(2)
    return [first.image, second.image]


def scan(image, degrees, noise):
    """What a scanner makes of a page: skewed, soft, a little darker to one side, grainy."""
    image = image.rotate(degrees, resample=Image.Resampling.BICUBIC, fillcolor=PAPER)
    image = image.resize((image.width // SCALE, image.height // SCALE), Image.Resampling.LANCZOS)
    image = image.filter(ImageFilter.GaussianBlur(0.6))
    pixels = numpy.asarray(image, dtype=numpy.float32)
    shade = numpy.linspace(0, 7, pixels.shape[1], dtype=numpy.float32)
    pixels = pixels - shade + noise.normal(0, 3.0, pixels.shape)
    for x, y in noise.integers((0, 0), (pixels.shape[1] - 2, pixels.shape[0] - 2), (60, 2)):
        pixels[y:y + 2, x:x + 2] -= 70  # dust
    return Image.fromarray(numpy.clip(pixels, 0, 255).astype(numpy.uint8))


def write_pdf(path, images):
    """A PDF that holds nothing but one JPEG a page; written by hand so that no date or producer gets in."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>".encode(), b""]
    kids = []
    for image in images:
        jpeg = io.BytesIO()
        image.save(jpeg, "JPEG", quality=75, dpi=(DPI, DPI))
        data, number = jpeg.getvalue(), len(objects) + 1
        drawing = f"q {WIDTH_PT} 0 0 {HEIGHT_PT} 0 0 cm /Im Do Q".encode()
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH_PT} {HEIGHT_PT}] /Contents {number + 1} 0 R "
                       f"/Resources << /XObject << /Im {number + 2} 0 R >> >> >>".encode())
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing))
        objects.append(f"<< /Type /XObject /Subtype /Image /Width {image.width} /Height {image.height} /ColorSpace "
                       f"/DeviceGray /BitsPerComponent 8 /Filter /DCTDecode /Length {len(data)} >>\nstream\n".encode()
                       + data + b"\nendstream")
        kids.append(f"{number} 0 R")
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>".encode()
    out, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    path.write_bytes(out)


def truth():
    """The pages as Markdown, without the footers."""
    parts = [f"# {TITLE}", BYLINE, LEAD]

    def add(blocks):
        for kind, content in blocks:
            if kind == "list":
                parts.append("\n".join(f"- {item}" for item in content))
            else:
                parts.append(f"## {content}" if kind == "heading" else content)

    add(PAGE_1)
    add(PAGE_2)
    head, *rows = ["| " + " | ".join(row) + " |" for row in TABLE]
    parts.extend([CAPTION, "\n".join([head, "|" + " --- |" * len(TABLE[0]), *rows])])
    add(PAGE_2_AFTER)
    return "\n\n".join(parts) + "\n"


def main():
    here = Path(__file__).resolve().parent
    noise = numpy.random.default_rng(SEED)
    images = [scan(image, degrees, noise) for image, degrees in zip(draw_pages(), (1.2, -0.8))]
    write_pdf(here / "scan.pdf", images)
    (here / "scan.truth.md").write_text(truth(), encoding="utf-8")
    print(f"examples/scan.pdf: {(here / 'scan.pdf').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
