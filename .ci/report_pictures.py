"""Takes the pictures of the report in README.md: python .ci/report_pictures.py demo-output/report.html docs.

report.png is its beginning, table.png its corrected regression. The words that each shows are kept in the file, so that
a test compares them with what `make demo` prints. Needs the test extra.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image, PngImagePlugin
from playwright.sync_api import sync_playwright

WIDTH, SCALE = 900, 1.5


def save(shot: bytes, words: str, target: Path) -> None:
    """In few colours, with the words that it shows."""
    about = PngImagePlugin.PngInfo()
    about.add_itxt("Description", words)
    image = Image.open(io.BytesIO(shot)).convert("RGB").quantize(32, method=Image.Quantize.MEDIANCUT, dither=0)
    image.save(target, optimize=True, pnginfo=about)


def main(report: Path, folder: Path) -> None:
    """Open the report as a reader does, and take both pictures."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 1200}, device_scale_factor=SCALE)
        page.goto(report.resolve().as_uri())
        summary = page.locator("section", has=page.get_by_role("heading", name="Summary", exact=True))
        box = summary.bounding_box()
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"]}
        save(page.screenshot(clip=clip), summary.inner_text(), folder / "report.png")
        table = page.locator("section", has=page.get_by_role("heading", name="Regressions, corrected")).locator("table")
        save(table.first.screenshot(), table.first.inner_text(), folder / "table.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
