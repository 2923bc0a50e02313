"""The web page: exported models in a browser, on a phone, without a server or a network.

`python -m edge.web` puts the page, LiteRT's WebAssembly and all exported models into one folder that any static host
can serve, and serves it on this machine. The page itself is plain HTML, CSS and ES modules: `app/studio.js` and what it
imports show how a browser uses a card and a `.tflite` file.
"""
