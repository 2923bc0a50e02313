"""Uses exported models on a device, without TensorFlow, Keras or the rest of this repository.

Copy this folder and a folder of `exported/` to a machine, `pip install -r edge/requirements.txt`,
and run there

    python -m edge                                            # lists the models
    python -m edge dcgan_fashion_mnist --seed 3 --count 16    # writes a grid of pictures
    python -m edge.benchmark dcgan_fashion_mnist              # measures every precision

or, from Python,

    from edge import runtime

    model = runtime.load("dcgan_fashion_mnist", precision="dynamic")
    pictures = model.pictures(first_seed=3, count=16)         # (16, 28, 28, 1), float32 in [-1, 1]

`runtime.py` is the part to read: it shows the few calls that any client of a `.tflite` file needs. `README.md` has them
in Kotlin, Swift and C.
"""
