#!/usr/bin/env python3
"""Makes PDFs, documents, slides and books of one text with as many producers as are installed, each beside its words: OUT/NAME.pdf
and OUT/NAME.txt.

    python3 -m venv venv && venv/bin/pip install reportlab fpdf2 weasyprint matplotlib cairocffi skia-python typst \
        python-docx python-pptx odfpy ebooklib pillow
    npm install --prefix OUT pdfkit jspdf
    venv/bin/python text/corpus/make.py OUT [TEXT.md]

Others are taken from the PATH: pdflatex, lualatex, xelatex, latex with dvips and ps2pdf, soffice, chromium, pandoc."""

import html
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = pathlib.Path(sys.argv[1]).resolve()
OUT.mkdir(parents=True, exist_ok=True)
GERMAN = (
    "Die Brücke über den Fluss wurde im Jahr 1904 gebaut und trägt höchstens drei Tonnen. Fußgänger und Radfahrer dürfen sie "
    "jederzeit überqueren, größere Fahrzeuge müssen die nächste Straße nehmen. Der Schlüssel für das Häuschen des Brückenwärters "
    "hängt im Rathaus. Öffentliche Führungen gibt es an jedem Sonntag außer im Januar."
)


def blocks():
    """The text: (kind, text) of a lesson, tables and code left out, and German for its letters."""
    default = ROOT / "examples/durable-workflows/lessons/11-testing-by-fault-injection.md"
    lines = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else default).read_text().split("\n\n")
    found = []
    for block in lines:
        block = re.sub(r"[*`]|\[([^\]]*)\]\([^)]*\)", r"\1", block).strip()
        if not block or block.startswith(("|", "---", "```")):
            continue
        if block.startswith("#"):
            found.append(("h", block.lstrip("# ")))
        elif block.startswith("- "):
            found += [("li", " ".join(item.split())) for item in re.split(r"^- ", block, flags=re.M) if item.strip()]
        else:
            found.append(("p", " ".join(block.split())))
    return found + [("h", "Die Brücke"), ("p", GERMAN)]


BLOCKS = blocks()
HEAD = "Fault injection – running head"


def page(columns=1):
    body = "".join(
        f"<h2>{html.escape(t)}</h2>" if k == "h" else f"<p class={k}>{'• ' if k == 'li' else ''}{html.escape(t)}</p>" for k, t in BLOCKS
    )
    style = f"body{{font:11pt serif;text-align:justify;hyphens:auto;columns:{columns};column-gap:8mm}} h2{{font-size:14pt}}"
    style += f"@page{{size:A4;margin:25mm;@top-center{{content:'{HEAD}'}}@bottom-center{{content:counter(page)}}}}"
    return f"<!doctype html><html lang=en><meta charset=utf-8><style>{style}</style>{body}</html>"


def tex(options="", preamble=""):
    escape = lambda t: re.sub(r"([&%$#_{}])", r"\\\1", t).replace("~", r"\textasciitilde{}").replace('"', "''")
    body = "\n\n".join(
        rf"\section*{{{escape(t)}}}" if k == "h" else (r"\begin{itemize}\item " + escape(t) + r"\end{itemize}" if k == "li" else escape(t))
        for k, t in BLOCKS
    )
    return rf"\documentclass[11pt,a4paper{options}]{{article}}{preamble}\pagestyle{{myheadings}}\markright{{{HEAD}}}\begin{{document}}{body}\end{{document}}"


def run(*command, **more):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=240, **more)


def latex(engine, options, preamble):
    def make(target):
        with tempfile.TemporaryDirectory() as d:
            (pathlib.Path(d) / "a.tex").write_text(tex(options, preamble))
            run(engine, "-interaction=batchmode", "a.tex", cwd=d)
            if engine == "latex":
                run("dvips", "-q", "-o", "a.ps", "a.dvi", cwd=d)
                run("ps2pdf", "a.ps", "a.pdf", cwd=d)
            shutil.copy(pathlib.Path(d) / "a.pdf", target)

    return make


T1, OT1 = r"\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{lmodern}", r"\usepackage[utf8]{inputenc}"


def reportlab(target):
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate

    def number(canvas, document):
        canvas.drawCentredString(300, 20, str(document.page))
        canvas.drawCentredString(300, 815, HEAD)

    s = getSampleStyleSheet()
    story = [Paragraph(("• " if k == "li" else "") + html.escape(t), s["Heading2" if k == "h" else "BodyText"]) for k, t in BLOCKS]
    SimpleDocTemplate(str(target)).build(story, onFirstPage=number, onLaterPages=number)


def fpdf2(target):
    import fpdf

    pdf = fpdf.FPDF()
    pdf.add_page()
    for k, t in BLOCKS:
        pdf.set_font("Helvetica", "B" if k == "h" else "", 14 if k == "h" else 11)
        clean = t.replace("–", "-").replace("’", "'").replace("“", '"').replace("”", '"').encode("latin1", "ignore").decode("latin1")
        pdf.multi_cell(0, 6, clean, new_x="LMARGIN", new_y="NEXT")
        pdf.ln(3)
    pdf.output(str(target))


def weasyprint(columns):
    def make(target):
        import weasyprint

        weasyprint.HTML(string=page(columns)).write_pdf(str(target))

    return make


def chromium(columns):
    def make(target):
        with tempfile.TemporaryDirectory() as d:
            source = pathlib.Path(d) / "a.html"
            source.write_text(page(columns))
            run("chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={d}/p", "--no-pdf-header-footer", f"--print-to-pdf={target}", source.as_uri())

    return make


def docx(target):
    import docx as d

    document = d.Document()
    document.sections[0].header.paragraphs[0].text = HEAD
    for k, t in BLOCKS:
        document.add_paragraph(t, style={"h": "Heading 2", "li": "List Bullet", "p": "Normal"}[k])
    document.save(str(target))


def slides():
    """The text as slides: (title, texts)."""
    found = []
    for k, t in BLOCKS:
        if k == "h":
            found.append((t, []))
        else:
            found[-1][1].append(t)
    return found


def pptx(target):
    import pptx as p

    presentation = p.Presentation()
    for title, texts in slides():
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = "\n".join(texts[:1])
        slide.notes_slide.notes_text_frame.text = "\n".join(texts[1:])
    presentation.save(str(target))


def odt(target):
    from odf.opendocument import OpenDocumentText
    from odf.text import H, List, ListItem, P

    document = OpenDocumentText()
    for k, t in BLOCKS:
        if k == "li":
            item = ListItem()
            item.addElement(P(text=t))
            element = List()
            element.addElement(item)
        else:
            element = H(outlinelevel=2, text=t) if k == "h" else P(text=t)
        document.text.addElement(element)
    document.save(str(target))


def epub(target):
    from ebooklib import epub as e

    book = e.EpubBook()
    book.set_title("A book")
    chapters = []
    for at, (title, texts) in enumerate(slides()):
        chapter = e.EpubHtml(title=title, file_name=f"c{at}.xhtml")
        chapter.content = f"<h1>{html.escape(title)}</h1>" + "".join(f"<p>{html.escape(t)}</p>" for t in texts)
        book.add_item(chapter)
        chapters.append(chapter)
    book.toc = chapters
    book.spine = ["nav", *chapters]
    book.add_item(e.EpubNcx())
    book.add_item(e.EpubNav())
    e.write_epub(str(target), book)


def libreoffice(made, ending):
    """What LibreOffice makes of a file that `made` makes, by way of its own format."""

    def make(target):
        with tempfile.TemporaryDirectory() as d:
            convert = lambda file, to: run("soffice", "--headless", f"-env:UserInstallation=file://{d}/u", "--convert-to", to, "--outdir", d, file)
            made(f"{d}/a{ending}")
            if target.suffix == ending:
                own = ".odp" if ending == ".pptx" else ".odt"
                convert(f"{d}/a{ending}", own[1:])
                os.remove(f"{d}/a{ending}")
                ending_now = own
            else:
                ending_now = ending
            convert(f"{d}/a{ending_now}", target.suffix[1:])
            shutil.copy(f"{d}/a{target.suffix}", target)

    return make


def pandoc(target):
    with tempfile.TemporaryDirectory() as d:
        source = pathlib.Path(d) / "a.html"
        source.write_text("".join(f"<{'h2' if k == 'h' else 'p'}>{html.escape(t)}</{'h2' if k == 'h' else 'p'}>" for k, t in BLOCKS))
        run("pandoc", "--metadata", "title=" + ("A book" if target.suffix == ".epub" else ""), str(source), "-o", str(target))


def lines(width):
    for k, t in BLOCKS:
        yield from ((k, line) for line in textwrap.wrap(t, width))
        yield ("", "")


def cairo(target):
    import cairocffi

    surface = cairocffi.PDFSurface(str(target), 595, 842)
    context = cairocffi.Context(surface)
    context.select_font_face("DejaVu Serif")
    y = 60
    for k, line in lines(80):
        context.set_font_size(13 if k == "h" else 10)
        context.move_to(60, y)
        context.show_text(line)
        y += 14 if line else 8
        if y > 780:
            context.show_page()
            y = 60
    surface.finish()


def skia(target):
    import skia as s

    stream = s.FILEWStream(str(target))
    document = s.PDF.MakeDocument(stream)
    rest = list(lines(80))
    while rest:
        canvas = document.beginPage(595, 842)
        y = 60
        while rest and y < 780:
            k, line = rest.pop(0)
            canvas.drawString(line, 60, y, s.Font(s.Typeface("DejaVu Serif"), 13 if k == "h" else 10), s.Paint())
            y += 14 if line else 8
        document.endPage()
    document.close()
    stream.flush()


def matplotlib(kind):
    def make(target):
        import matplotlib as m

        m.use("pdf")
        m.rcParams["pdf.fonttype"] = kind
        from matplotlib import pyplot
        from matplotlib.backends.backend_pdf import PdfPages

        with PdfPages(target) as pages:
            rest = list(lines(80))
            while rest:
                figure = pyplot.figure(figsize=(8.27, 11.69))
                for at, (_, line) in enumerate(rest[:50]):
                    figure.text(0.1, 0.95 - at * 0.017, line.replace("$", r"\$"), fontsize=9)
                rest = rest[50:]
                pages.savefig(figure)
                pyplot.close(figure)

    return make


def typst(columns):
    def make(target):
        import typst as t

        escape = lambda s: re.sub(r"([#*_$@<>\\`\[\]~-])", r"\\\1", s)
        body = "\n\n".join({"h": "== ", "li": "- ", "p": ""}[k] + escape(t_) for k, t_ in BLOCKS)
        head = f'#set page(paper: "a4", columns: {columns}, numbering: "1", header: [{HEAD}])\n#set par(justify: true)\n#set text(hyphenate: true, size: 10pt)\n'
        with tempfile.TemporaryDirectory() as d:
            source = pathlib.Path(d) / "a.typ"
            source.write_text(head + body)
            t.compile(str(source), output=str(target))

    return make


def node(script):
    def make(target):
        import json

        prelude = f"const B = {json.dumps(BLOCKS)}, target = {json.dumps(str(target))};"
        run("node", "-e", prelude + script, env={**os.environ, "NODE_PATH": str(OUT / "node_modules")})

    return make


PDFKIT = """const D = require('pdfkit'), d = new D({size: 'A4'}); d.pipe(require('fs').createWriteStream(target));
for (const [k, t] of B) { d.fontSize(k == 'h' ? 14 : 11).text(t, {align: 'justify'}); d.moveDown(0.5); } d.end();"""
JSPDF = """const { jsPDF } = require('jspdf'); const d = new jsPDF({unit: 'pt', format: 'a4'}); let y = 60;
for (const [k, t] of B) { d.setFontSize(k == 'h' ? 14 : 11); for (const l of d.splitTextToSize(t, 470)) { if (y > 780) { d.addPage(); y = 60 }
 d.text(l, 60, y); y += 15 } y += 8 } require('fs').writeFileSync(target, Buffer.from(d.output('arraybuffer')));"""

def scan(mode, **options):
    """Pages as a scanner makes them, of 300 dots to the inch."""

    def make(target):
        from PIL import Image, ImageDraw, ImageFont

        font = ImageFont.truetype("DejaVuSerif.ttf", 44)
        rest, pages = list(lines(88)), []
        while rest:
            page = Image.new("L", (2480, 3508), 255)
            for at, (_, line) in enumerate(rest[:50]):
                ImageDraw.Draw(page).text((200, 200 + at * 62), line, fill=0, font=font)
            pages.append(page.convert(mode))
            rest = rest[50:]
        pages[0].save(str(target), save_all=True, append_images=pages[1:], **options)

    return make


PRODUCERS = {
    "pdftex": latex("pdflatex", "", T1),
    "pdftex-two-columns": latex("pdflatex", ",twocolumn", T1),
    "pdftex-ot1": latex("pdflatex", "", OT1),
    "luatex": latex("lualatex", "", r"\usepackage{fontspec}"),
    "xetex-two-columns": latex("xelatex", ",twocolumn", r"\usepackage{fontspec}"),
    "dvips-ghostscript": latex("latex", "", T1),
    "libreoffice": libreoffice(docx, ".docx"),
    "chromium": chromium(1),
    "chromium-two-columns": chromium(2),
    "skia": skia,
    "weasyprint": weasyprint(1),
    "weasyprint-two-columns": weasyprint(2),
    "cairo": cairo,
    "reportlab": reportlab,
    "fpdf2": fpdf2,
    "matplotlib-type3": matplotlib(3),
    "matplotlib-truetype": matplotlib(42),
    "typst": typst(1),
    "typst-two-columns": typst(2),
    "pdfkit": node(PDFKIT),
    "jspdf": node(JSPDF),
    "scan-gray.pdf": scan("L", resolution=300),
    "scan-bilevel.pdf": scan("1", resolution=300),
    "scan-group4.tif": scan("1", compression="group4", dpi=(300, 300)),
    "python-docx.docx": docx,
    "libreoffice-docx.docx": libreoffice(docx, ".docx"),
    "pandoc-docx.docx": pandoc,
    "python-pptx.pptx": pptx,
    "libreoffice-pptx.pptx": libreoffice(pptx, ".pptx"),
    "odfpy.odt": odt,
    "libreoffice-odt.odt": libreoffice(docx, ".docx"),
    "pandoc-odt.odt": pandoc,
    "ebooklib.epub": epub,
    "libreoffice-epub.epub": libreoffice(docx, ".docx"),
    "pandoc-epub.epub": pandoc,
}

for name, make in PRODUCERS.items():
    target = OUT / (name if "." in name else f"{name}.pdf")
    try:
        make(target)
        target.with_suffix(".txt").write_text("\n\n".join(t for _, t in BLOCKS))
        print("made", name)
    except Exception as error:
        print("left out", name, type(error).__name__, str(error)[:200])
