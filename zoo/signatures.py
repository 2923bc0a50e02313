"""The functions of an exported file: their names, inputs and outputs, and what the card says of them.

A file has those that apply:

    generate(z) -> image                     a latent vector becomes a picture
    generate_from_seed(seed) -> image        an integer becomes a picture, the same one on every device
    generate_batch(seed) -> image            sixteen pictures, of seeds s to s+15
    latents(seed) -> z                       what generate_from_seed draws, so that no client draws its own noise
    encode(image) -> z                       autoencoders; a VAE also gives log_variance, a VQ-VAE codes in place of z
    decode(z) -> image                       the other way; decode(codes) -> image of a VQ-VAE
    reconstruct(image) -> reconstruction
    vary(image, strength, seed) -> image     another picture of the same kind: strength 0 is the same, 1 far from it
    translate(image) -> target               from picture to picture; pix2pix takes z too
    translate_back(image) -> target          the other way, of a CycleGAN
    map(z) -> w, synthesize(w, seed) -> image    the two halves of a StyleGAN, the seed being that of its noise
    log_prob(image) -> log_prob              exact likelihoods: of the picture, or of the picture and each class
    score(image) -> score, score(x) -> score     detectors of anomalies

The first three of a conditional generator take its condition too: label, attributes or tokens.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

BATCH = 16  # pictures of generate_batch
SEED_RANGE = (-(2**31), 2**31 - 1)


@dataclass(frozen=True)
class Value:
    """One input or output of a signature.

    The first entry of `shape` is the batch: None makes it dynamic in the SavedModel and 1 in TFLite.
    """

    name: str
    shape: tuple
    dtype: str
    meaning: str
    range: tuple | None = None

    def describe(self):
        """What the card says of it, with the shape that it has in the TFLite files."""
        shape = [1 if side is None else side for side in self.shape]
        return {
            "name": self.name,
            "shape": shape,
            "dtype": self.dtype,
            "range": list(self.range) if self.range else None,
            "meaning": self.meaning,
        }


@dataclass(frozen=True)
class Endpoint:
    """A function of the files: takes tensors in the order of `inputs`, returns a dict by the names of `outputs`."""

    function: object
    inputs: tuple
    outputs: tuple


def generator_endpoints(network, image_shape, latent_dim, prior=None, condition=None):
    """The signatures that every generator of pictures from latent vectors has.

    Args:
        network: Keras model (B, D) -> (B, H, W, C) in [-1, 1]; with a condition it takes [(B, D), condition].
        image_shape: height, width, channels.
        latent_dim: D.
        prior: function from seeds int32 (B,) to latent vectors float32 (B, D), in builtin TFLite operations; None is
            the standard normal distribution.
        condition: `Value` of what the network takes beside the latent vector, or None.

    Returns:
        Dictionary of `Endpoint`: generate, generate_from_seed, generate_batch, latents.
    """
    import tensorflow as tf

    from zoo import noise

    draw = prior or (lambda seed: noise.normal(seed, latent_dim))
    law = "as the signature latents draws it" if prior else "standard normal"
    z = latent_value("z", latent_dim, f"latent vector, {law}")
    seed = Value("seed", (None,), "int32", "one seed is one picture, on every device", SEED_RANGE)
    first_seed = Value("seed", (1,), "int32", f"the first of {BATCH} seeds", SEED_RANGE)
    image = image_value("image", image_shape)
    batch_meaning = f"pictures of seeds s to s+{BATCH - 1}, -1 black to 1 white"
    images = dataclasses.replace(image, shape=(BATCH, *image_shape), meaning=batch_meaning)

    conditions = (condition,) if condition else ()

    def draw_pictures(z, asked):
        return {"image": network([z, *asked] if asked else z, training=False)}

    def generate(z, *asked):
        return draw_pictures(z, asked)

    def latents(seed):
        return {"z": draw(seed)}

    def generate_from_seed(seed, *asked):
        return draw_pictures(draw(seed), asked)

    def generate_batch(seed, *asked):
        repeated = [tf.tile(each, [BATCH] + [1] * (len(each.shape) - 1)) for each in asked]
        return draw_pictures(draw(seed + tf.range(BATCH)), repeated)

    one = tuple(dataclasses.replace(each, shape=(1, *each.shape[1:])) for each in conditions)
    return {
        "generate": Endpoint(generate, (z, *conditions), (image,)),
        "generate_from_seed": Endpoint(generate_from_seed, (seed, *conditions), (image,)),
        "generate_batch": Endpoint(generate_batch, (first_seed, *one), (images,)),
        "latents": Endpoint(latents, (seed,), (z,)),
    }


def seed_endpoint(draw, image_shape):
    """The signature generate_from_seed of a generator that has no latent vector.

    Its batch is one in the SavedModel too: of a loop over a dynamic batch the converter makes no static one.

    Args:
        draw: function from seeds int32 (B,) to pictures float32 (B, H, W, C), in builtin TFLite operations.
        image_shape: height, width, channels.
    """
    seed = Value("seed", (1,), "int32", "one seed is one picture", SEED_RANGE)
    image = dataclasses.replace(image_value("image", image_shape), shape=(1, *image_shape))
    return Endpoint(lambda seed: {"image": draw(seed)}, (seed,), (image,))


def latent_value(name, latent_dim, meaning):
    """A latent vector as an input or output."""
    return Value(name, (None, latent_dim), "float32", meaning)


def image_value(name, image_shape):
    """A picture as an input or output."""
    return Value(name, (None, *image_shape), "float32", "picture, -1 black to 1 white", (-1, 1))


def sefa_directions(network, count=8):
    """Directions in latent space along which the pictures change most (Shen and Zhou 2020, https://arxiv.org/abs/2007.06600).

    They are the eigenvectors of W^T W with the largest eigenvalues, for the first layer y = W z + b.

    Args:
        network: generator whose first layer with weights is dense, of kernel (D, units).
        count: how many, at most D.

    Returns:
        List of `count` unit vectors, each a list of D floats, strongest first.
    """
    return kernel_directions(next(layer for layer in network.layers if layer.weights).kernel, count)


def kernel_directions(kernel, count=8):
    """The directions of `sefa_directions`, from the kernel (D, units) of the first layer."""
    kernel = np.asarray(kernel, np.float64)
    _, vectors = np.linalg.eigh(kernel @ kernel.T)  # ascending eigenvalues, one column an eigenvector
    strongest = vectors[:, ::-1][:, :count].T  # (count, D)
    signs = np.sign(strongest[np.arange(len(strongest)), np.abs(strongest).argmax(axis=1)])  # a sign that repeats
    return [[round(float(entry), 5) for entry in vector] for vector in strongest * signs[:, None]]


def describe(endpoints):
    """What the card says of all signatures: name -> inputs and outputs."""
    return {
        name: {"inputs": described(endpoint.inputs), "outputs": described(endpoint.outputs)}
        for name, endpoint in endpoints.items()
    }


def described(values):
    """What the card says of some inputs or outputs."""
    return [value.describe() for value in values]
