"""A web server of static files, for tests of the page that needs no other."""

import functools
import http.server
import threading

ISOLATED = (("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Embedder-Policy", "require-corp"))


class Files(http.server.SimpleHTTPRequestHandler):
    """Static files, with the headers of the server, if it has any, but for those that it lacks; it counts what was asked of it."""

    protocol_version = "HTTP/1.1"
    extensions_map = {"": "application/octet-stream", ".html": "text/html", ".js": "text/javascript", ".css": "text/css",
                      ".wasm": "application/wasm", ".json": "application/json"}

    def end_headers(self):
        for name, value in self.server.headers:
            self.send_header(name, value)
        super().end_headers()

    def do_GET(self):
        if self.path in self.server.lacking:
            self.send_error(404)
        else:
            super().do_GET()

    def log_request(self, code="-", size="-"):
        if self.command == "GET":
            self.server.asked.append(self.path)

    def log_error(self, *_):
        pass


class Server:
    def __init__(self, folder, headers=(), lacking=()):
        self.folder = folder
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=folder))
        self.server.headers, self.server.lacking, self.server.asked = headers, lacking, []
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/"

    def asked(self):
        return self.server.asked

    def end(self):
        self.server.shutdown()
