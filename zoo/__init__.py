"""The models and their tools: folders are families of models, files are tools.

gans/ autoencoders/ ...   one file a paper, readable from top to bottom
datasets/                 pictures as uint8 arrays and as `tf.data`
training.py               what every model needs to train, save and resume
noise.py                  a seed becomes the same noise on every device
metrics.py                how good are the samples?
callbacks.py              sample grids and curves while a model trains
signatures.py             what an exported file can be asked
export.py, tflite.py      networks become SavedModel, TFLite files and a card
drift.py                  does a file compute what it was made of?

Importing the zoo imports none of them: ask for the one you want,
`from zoo.gans.dcgan import DCGAN`.
"""
