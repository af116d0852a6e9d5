#!/usr/bin/env python3
"""Makes docs/images/first-result.png: on the left a page of examples/scan.pdf, on the right what platen made of it.

usage: docs/images/make_first_result.py [BUILD]     (default: build/; needs Pillow, see tools/setup --dev)
The right side is the Markdown that `platen convert examples/scan.pdf -p 2` writes now, set as text.
"""
import io
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent.parent
FONTS = Path("/usr/share/fonts/truetype")
PAGE = 2
WIDTH, HEIGHT, MARGIN, GAP = 1500, 1000, 28, 36
BACK, PAPER, INK, QUIET, LINE = "#e8eaed", "#ffffff", "#1c1e21", "#666a70", "#c4c8ce"


def font(name, size):
    return ImageFont.truetype(str(FONTS / name), size)


TEXT = font("liberation/LiberationSans-Regular.ttf", 15)
BOLD = font("liberation/LiberationSans-Bold.ttf", 15)
HEADINGS = [font("liberation/LiberationSans-Bold.ttf", size) for size in (26, 20, 17)]
MONO = font("liberation/LiberationMono-Regular.ttf", 14)


def scanned_page(number):
    """The picture of a page as it lies in the PDF."""
    data = (ROOT / "examples" / "scan.pdf").read_bytes()
    at = -1
    for _ in range(number):
        at = data.index(b"\xff\xd8\xff", at + 1)
    return Image.open(io.BytesIO(data[at : data.index(b"endstream", at)])).convert("RGB")


class Sheet:
    """Text from top to bottom on one half of the picture."""

    def __init__(self, draw, left, right, top):
        self.draw, self.left, self.right, self.y = draw, left, right, top

    def paragraph(self, text, face, indent=0, colour=INK, after=9):
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and face.getlength(longer) > self.right - self.left - indent:
                self.line(line, face, indent, colour)
                longer = word
            line = longer
        if line:
            self.line(line, face, indent, colour)
        self.y += after

    def line(self, text, face, indent, colour):
        self.draw.text((self.left + indent, self.y), text, fill=colour, font=face)
        self.y += int(face.size * 1.32)

    def table(self, rows):
        widths = [max(TEXT.getlength(row[i]) if i < len(row) else 0 for row in rows) + 26 for i in range(max(map(len, rows)))]
        for number, row in enumerate(rows):
            x = self.left
            for width, cell in zip(widths, row):
                self.draw.rectangle((x, self.y, x + width, self.y + 25), outline=LINE, fill="#f2f4f7" if number == 0 else PAPER)
                self.draw.text((x + 12, self.y + 4), cell, fill=INK, font=BOLD if number == 0 else TEXT)
                x += width
            self.y += 25
        self.y += 12


def draw_markdown(sheet, markdown):
    rows = []
    for line in markdown.splitlines() + [""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                rows.append(cells)
            continue
        if rows:
            sheet.table(rows)
            rows = []
        heading = re.match(r"(#+) (.*)", line)
        if heading:
            sheet.y += 4
            sheet.paragraph(heading[2], HEADINGS[min(len(heading[1]), 3) - 1], after=6)
        elif line.startswith("- "):
            sheet.paragraph("•  " + line[2:], TEXT, indent=14, after=4)
        elif line.strip():
            sheet.paragraph(line.replace("\\_", "_"), TEXT)


def main():
    build = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build"
    command = [build / "platen", "convert", "examples/scan.pdf", "-p", str(PAGE)]
    markdown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    picture = Image.new("RGB", (WIDTH, HEIGHT), BACK)
    draw = ImageDraw.Draw(picture)
    page = scanned_page(PAGE)
    top = MARGIN + 30
    page = page.resize((round(page.width * (HEIGHT - top - MARGIN) / page.height), HEIGHT - top - MARGIN), Image.LANCZOS)
    draw.text((MARGIN, MARGIN), f"examples/scan.pdf, page {PAGE}: a picture without text", fill=QUIET, font=MONO)
    picture.paste(page, (MARGIN, top))
    left = MARGIN + page.width + GAP
    draw.text((left, MARGIN), f"platen convert examples/scan.pdf -p {PAGE}", fill=QUIET, font=MONO)
    draw.rectangle((left, top, WIDTH - MARGIN, HEIGHT - MARGIN), fill=PAPER)
    draw_markdown(Sheet(draw, left + 24, WIDTH - MARGIN - 24, top + 20), markdown)
    picture.quantize(128).save(Path(__file__).with_name("first-result.png"), optimize=True)


if __name__ == "__main__":
    main()
