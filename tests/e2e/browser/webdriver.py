"""What: a real Chromium driven by chromedriver, over plain HTTP (W3C WebDriver), with the standard library only."""
import base64
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--lang=en-GB"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Failure(Exception):
    """What was wanted did not happen; the message says what there was instead."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Browser:
    """One window. Everything waits until it is there, at most `patience` seconds."""

    def __init__(self, flags=(), patience=15):
        self.patience = patience
        self.folder = tempfile.mkdtemp(prefix="browser-")
        self.port = free_port()
        self.session = None
        self.log = open(pathlib.Path(self.folder, "chromedriver.log"), "wb")
        home = pathlib.Path(self.folder, "home")
        home.mkdir()
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=self.log,
                                       stderr=self.log, start_new_session=True,
                                       env={**os.environ, "HOME": str(home), "TMPDIR": self.folder, "TZ": "UTC"})
        try:
            self._wait_for_driver()
            options = {"args": [*FLAGS, f"--user-data-dir={self.folder}/profile", *flags]}
            self.session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
                "unhandledPromptBehavior": "ignore"}}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def _wait_for_driver(self):
        end = time.monotonic() + self.patience
        while True:
            try:
                if self._ask("GET", "/status")["ready"]:
                    return
            except OSError:
                pass
            if self.driver.poll() is not None or time.monotonic() > end:
                raise Failure("chromedriver does not start; see " + self.log.name)
            time.sleep(0.02)

    def _ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            c.request(method, path, None if body is None else json.dumps(body),
                      {"Content-Type": "application/json"})
            value = json.loads(c.getresponse().read())["value"]
        finally:
            c.close()
        if isinstance(value, dict) and "error" in value:
            raise Failure(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def ask(self, method, path, body=None):
        return self._ask(method, f"/session/{self.session}{path}", body)

    def close(self):
        try:
            if self.session:
                self.ask("DELETE", "")
        except (OSError, Failure):
            pass
        try:
            os.killpg(self.driver.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self.driver.wait()
        self.log.close()
        for _ in range(50):  # the browser may still write into its profile
            shutil.rmtree(self.folder, ignore_errors=True)
            if not os.path.exists(self.folder):
                return
            time.sleep(0.05)

    # -- looking

    def run(self, script, *args):
        """Value of a piece of JavaScript; arguments[0].. are args."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(args)})

    def until(self, what, script, *args):
        """Waits until the JavaScript says something true, and returns that."""
        end = time.monotonic() + self.patience
        while True:
            value = self.run(script, *args)
            if value:
                return value
            if time.monotonic() > end:
                text = self.run("return document.body ? document.body.innerText : ''")
                raise Failure(f"no {what}; the page at {self.path()} says: {' | '.join(text.split(chr(10)))[:600]}")
            time.sleep(0.03)

    def path(self):
        return self.run("return location.pathname + location.search")

    def text(self, selector):
        return self.until(selector, "const e = document.querySelector(arguments[0]); return e && e.innerText.trim()",
                          selector)

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText.trim())", selector)

    def until_text(self, text, selector="body"):
        return self.until(f"{text!r} in {selector}",
                          "return [...document.querySelectorAll(arguments[1])].some("
                          "(e) => e.innerText.includes(arguments[0]))", text, selector)

    def console(self):
        """What the page complained about since the last time."""
        return [f"{e['level']}: {e['message']}" for e in self.ask("POST", "/se/log", {"type": "browser"})
                if e["level"] in ("SEVERE", "WARNING")]

    # -- doing

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def find(self, selector):
        return self.until(selector, "const e = document.querySelector(arguments[0]);"
                          "return e && !e.disabled && e.getClientRects().length ? e : null", selector)[ELEMENT]

    def find_by_text(self, selector, text):
        return self.until(f"{selector} {text!r}", "return [...document.querySelectorAll(arguments[0])].find("
                          "(e) => e.innerText.trim() === arguments[1] && e.getClientRects().length)",
                          selector, text)[ELEMENT]

    def _click(self, element):
        # Into the view, and still: a click goes where a person would see the element.
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", {ELEMENT: element})
        self.ask("POST", f"/element/{element}/click", {})

    def click(self, selector):
        self._click(self.find(selector))

    def click_text(self, selector, text):
        self._click(self.find_by_text(selector, text))

    def choose(self, selector, value):
        """In a select."""
        option = self.until(f"{selector} {value!r}", "return [...(document.querySelector(arguments[0])"
                            "?.options ?? [])].find((o) => o.value === arguments[1])", selector, value)[ELEMENT]
        self.ask("POST", f"/element/{option}/click", {})

    def type(self, selector, text):
        element = self.find(selector)
        self.ask("POST", f"/element/{element}/clear", {})
        self.ask("POST", f"/element/{element}/value", {"text": text})

    def press(self, key):
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}]})

    def accept_question(self):
        end = time.monotonic() + self.patience
        while True:
            try:
                return self.ask("POST", "/alert/accept", {})
            except Failure:
                if time.monotonic() > end:
                    raise
                time.sleep(0.03)

    def size(self, width, height, phone=False):
        self.ask("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}})

    def shot(self, path):
        """The whole page, however long."""
        image = self.ask("POST", "/goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": {
            "format": "png", "captureBeyondViewport": True}})["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(image))
