"""The networks and the train steps of the DCGAN and the VAE of the zoo, in PyTorch, for the comparison of speed."""

import torch
from torch import nn
from torch.nn import functional


def _same(channels_in, channels_out):
    """A 4x4 convolution of stride 2 that pads as TensorFlow's "same" does: 28 -> 14 -> 7 -> 4."""
    return nn.Conv2d(channels_in, channels_out, 4, stride=2, padding=1)


def _generator(width, latent_dim, norm, activation):
    def up(channels_in, channels_out):
        layers = [nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1, bias=not norm)]
        return [*layers, *([nn.BatchNorm2d(channels_out)] if norm else []), activation()]

    return nn.Sequential(
        nn.Linear(latent_dim, 49 * 4 * width, bias=not norm),
        nn.Unflatten(1, (4 * width, 7, 7)),
        *([nn.BatchNorm2d(4 * width)] if norm else []),
        activation(),
        *up(4 * width, 2 * width),
        *up(2 * width, width),
        nn.Conv2d(width, 1, 3, padding=1),
    )


def _encoder(width, outputs, slope):
    return nn.Sequential(
        _same(1, width),
        nn.LeakyReLU(slope),
        _same(width, 2 * width),
        nn.LeakyReLU(slope),
        nn.ZeroPad2d((0, 1, 0, 1)),
        _same(2 * width, 4 * width),
        nn.LeakyReLU(slope),
        nn.Flatten(),
        nn.Linear(16 * 4 * width, outputs),
    )


def dcgan_step(batch_size, latent_dim, width, half):
    """A function that makes one step: the discriminator, then the generator, as the zoo's without R1 and average.

    Args:
        batch_size: pictures a step, which are noise.
        latent_dim: length of z.
        width: of both networks.
        half: compute in bfloat16 where PyTorch's autocast does.
    """
    generator = _generator(width, latent_dim, norm=True, activation=nn.ReLU)
    discriminator = _encoder(width, 1, 0.2)
    generator_adam = torch.optim.Adam(generator.parameters(), 8e-4, betas=(0.5, 0.99))
    discriminator_adam = torch.optim.Adam(discriminator.parameters(), 8e-4, betas=(0.5, 0.99))
    pictures = torch.rand(batch_size, 1, 28, 28) * 2 - 1

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            with torch.no_grad():
                fakes = torch.tanh(generator(torch.randn(batch_size, latent_dim)).float())
            real_logits = discriminator(pictures).float()
            fake_logits = discriminator(fakes).float()
            loss = functional.softplus(-real_logits).mean() + functional.softplus(fake_logits).mean()
        discriminator_adam.zero_grad()
        loss.backward()
        discriminator_adam.step()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            fakes = torch.tanh(generator(torch.randn(batch_size, latent_dim)).float())
            loss = functional.softplus(-discriminator(fakes).float()).mean()
        generator_adam.zero_grad()
        loss.backward()
        generator_adam.step()
        return loss.item()

    return step


def vae_step(batch_size, latent_dim, width, half):
    """A function that makes one step of the VAE with Bernoulli pixels; arguments as those of `dcgan_step`."""
    encoder = _encoder(width, 2 * latent_dim, 0.1)
    decoder = _generator(width, latent_dim, norm=False, activation=lambda: nn.LeakyReLU(0.1))
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3)
    pictures = torch.rand(batch_size, 1, 28, 28)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            mean, log_variance = encoder(2 * pictures - 1).float().chunk(2, dim=1)
            z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            logits = decoder(z).float()
            reconstruction = functional.binary_cross_entropy_with_logits(logits, pictures, reduction="sum")
            kl = 0.5 * torch.sum(mean**2 + log_variance.exp() - 1 - log_variance)
            loss = (reconstruction + kl) / batch_size
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    return step
