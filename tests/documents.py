"""Small documents made in memory, good and bad, so that no test depends on a file of somebody else's."""

import struct
import zlib


def pdf_of(objects, trailer=""):
    """A PDF of numbered objects (bytes), the first of which is the catalogue."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer.encode(), start)
    return bytes(out)


def stream(data, extra=b""):
    return b"<</Length %d%s>>stream\n" % (len(data), extra) + data + b"\nendstream"


def pdf(pages, boxes=None, contents=None):
    """A PDF with one line of text a page. boxes: page number from 0 -> MediaBox; contents: page number -> stream object."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * i) for i in range(len(pages)))
    objects = [b"<</Type/Catalog/Pages 2 0 R>>",
               b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
               b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    for i, text in enumerate(pages):
        box = (boxes or {}).get(i, "0 0 612 792").encode()
        line = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("latin-1")
        objects.append(b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents %d 0 R/Resources<</Font<</F1 3 0 R>>>>>>" % (box, 5 + 2 * i))
        objects.append((contents or {}).get(i) or stream(b"BT /F1 14 Tf 72 700 Td (%s) Tj ET" % line))
    return pdf_of(objects)


def many_pages(count):
    """Pages that all show the same stream: large only in their number."""
    kids = b" ".join(b"%d 0 R" % (5 + i) for i in range(count))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 3 0 R>>>>>>"
    return pdf_of([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count),
                   b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
                   stream(b"BT /F1 14 Tf 72 700 Td (one of many) Tj ET")] + [page] * count)


def encrypted(data, password):
    import io

    import pypdf

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def deflated(size, byte=b"\0"):
    """So many equal bytes, compressed: one flushed block again and again, so that a large bomb takes no time to make."""
    block = 1 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(byte * block) + packer.flush(zlib.Z_FULL_FLUSH)
    count, value = size // block, byte[0]
    n = count * block
    low, high = (1 + value * n) % 65521, (n + value * n * (n + 1) // 2) % 65521
    return b"\x78\xda" + piece * count + b"\x03\x00" + struct.pack(">I", high << 16 | low)


def pdf_zip_bomb(size):
    """A page whose content stream unpacks to `size` bytes (twice deflated, hence tiny)."""
    once = deflated(size, b" ")
    twice = zlib.compress(once, 9)
    return pdf(["bomb"], contents={0: stream(twice, b"/Filter[/FlateDecode/FlateDecode]")})


def png(width, height, rows=None, depth=1, colour=0):
    """A PNG; rows: the unfiltered picture, or None for a file that ends after a little of it."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(rows if rows is not None else b"\0" * 4096)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def white_png(width, height):
    return png(width, height, (b"\0" + b"\xff" * width) * height, depth=8)


def tiff_bomb(width=60000, height=60000):
    """A TIFF that claims a giant picture in one deflated strip."""
    data = deflated(64 << 20)
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 4, height),
               (279, 4, len(data))]
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + table + struct.pack("<I", 0)
