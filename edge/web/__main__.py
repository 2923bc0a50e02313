"""Makes the web page and serves it on this machine.

    python -m edge.web                                  # build/site/, then http://localhost:8000/
    python -m edge.web --folder build/site --no-serve   # for another host: copy the folder there

A browser installs and keeps a page only from `https` or from `localhost`.
"""

import functools
import http.server
import sys

from edge import command
from edge.web import stage


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, asks browsers to check whether what they have is current, and keeps quiet."""

    protocol_version = "HTTP/1.1"

    def end_headers(self):
        """Adds the one header of our own."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format, *arguments):
        """Prints nothing: a page is dozens of requests."""


def make_server(folder, host="127.0.0.1", port=0):
    """Returns a server of a folder, not yet running; port 0 takes a free one."""
    handler = functools.partial(Handler, directory=str(folder))
    return http.server.ThreadingHTTPServer((host, port), handler)


def work(argv):
    """Makes the site, and serves it until Ctrl-C."""
    parser = command.Parser(prog="python -m edge.web", description="Make the web page and serve it.")
    parser.add_argument("--folder", default=stage.ROOT / "build" / "site", help="of the site (default build/site)")
    parser.add_argument("--exported", default=stage.EXPORTED, help="folder of the models (default exported)")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to serve on (default 8000)")
    parser.add_argument("--no-serve", action="store_true", help="only make the site")
    options = parser.parse_args(argv)
    size = stage.stage(options.folder, options.exported)
    print(f"{options.folder}: {size / 1e6:.0f} MB, ready for any static host")
    if options.no_serve:
        return
    server = make_server(options.folder, options.host, options.port)
    print(f"http://localhost:{server.server_port}/ (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


def main(argv=None):
    """Runs the command line and returns the exit code: 0, or 2 after a mistake of the user."""
    return command.run(work, argv)


if __name__ == "__main__":
    sys.exit(main())
