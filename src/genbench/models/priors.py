"""Priors of latent vectors that are fitted to them, with an exact density: see models/vae_prior.py.

Each states the same: `draw`, latents from standard normal noise (N, noise_size); `log_density`, log p(z) in nats; and
`fit`, once, to latents of the training images. Before that each is N(0, I).
"""

import math

import torch
from torch import Tensor, nn

FITTED = 60_000  # latents that a mixture is fitted to, at most
STARTED = 10_000  # latents that k-means looks at
LLOYD = 10  # steps of k-means
# Of EM: at most so many steps, or until a latent gains less nats than this: for other latents more gain nothing.
MOST_STEPS, ENOUGH = 100, 1e-2
FLOOR = 1e-6  # added to each variance, as scikit-learn does
BLOCK = 4096  # latents that a step of EM looks at together


def tempered(noise: Tensor, size: int, temperature: float) -> Tensor:
    """A prior's noise (N, noise_size) with the numbers that place a latent, the first `size`, times the temperature."""
    return torch.cat([temperature * noise[:, :size], noise[:, size:]], 1)


class Normal(nn.Module):
    """N(0, I)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.noise_size = size

    def draw(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents (N, size): the noise."""
        return noise

    def log_density(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log N(z; 0, I), (N,)."""
        return -0.5 * (z.square() + math.log(2.0 * math.pi)).sum(1)

    def fit(self, z: Tensor, labels: Tensor | None = None) -> None:
        """Nothing."""


class Mixture(nn.Module):
    """A mixture of Gaussians with full covariances: p(z) = sum_k w_k N(z; m_k, S_k); for each class one of its own.

    What is fitted stands in buffers, so that weights carry it: log w_k (C, K), m_k (C, K, d) and the Cholesky factors
    of S_k (C, K, d, d), with C = 1 where there are no classes.
    """

    log_weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, size: int, components: int, classes: int = 0) -> None:
        """One for latents (N, size).

        Args:
            size: of a latent.
            components: of all classes together; each has at least one.
            classes: 0: one mixture for all latents.
        """
        super().__init__()
        self.noise_size = size + 1  # the last number chooses the component
        groups = max(1, classes)
        each = max(1, components // groups)
        self.register_buffer("log_weights", torch.full((groups, each), -math.log(each)))
        self.register_buffer("means", torch.zeros(groups, each, size))
        self.register_buffer("factors", torch.eye(size).repeat(groups, each, 1, 1))

    def draw(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents (N, size): the noise's last number chooses the component, the others the place in it."""
        group = torch.zeros_like(noise[:, 0], dtype=torch.int64) if labels is None else labels
        share = 0.5 * (1.0 + torch.erf(noise[:, -1:] / math.sqrt(2.0)))  # uniform
        below = self.log_weights.exp().cumsum(1)[group, :-1]  # (N, K - 1)
        chosen = (share > below).sum(1)
        # Elementwise: a product of matrices would be rounded under autocast.
        moved = (self.factors[group, chosen] * noise[:, :-1].unsqueeze(1)).sum(2)
        return self.means[group, chosen] + moved

    def log_density(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(z), (N,), of latents (N, size), in their precision."""
        if labels is None:
            return self._of_group(z, 0)
        found = torch.empty_like(z[:, 0])
        for group in range(len(self.means)):
            found[labels == group] = self._of_group(z[labels == group], group)
        return found

    def _of_group(self, z: Tensor, group: int) -> Tensor:
        factors = self.factors[group].to(z)  # (K, d, d)
        offsets = (z - self.means[group].to(z).unsqueeze(1)).mT  # (K, d, N)
        squares = torch.linalg.solve_triangular(factors, offsets, upper=False).square().sum(1)  # (K, N)
        log_scale = factors.diagonal(dim1=1, dim2=2).log().sum(1) + z.shape[1] * math.log(2.0 * math.pi) / 2
        heights = self.log_weights[group].to(z) - log_scale
        total: Tensor = (heights.unsqueeze(1) - squares / 2).logsumexp(0)
        return total

    def fit(self, z: Tensor, labels: Tensor | None = None) -> None:
        """To latents (N, size), of each class by themselves: k-means, then EM, in double precision on the CPU."""
        z = z.double().cpu()
        for group in range(len(self.means)):
            own = z if labels is None else z[labels.cpu() == group]
            if len(own) > 0:
                weights, means, factors = fit_mixture(own[:: math.ceil(len(own) / FITTED)], self.means.shape[1])
                self.log_weights[group] = weights.log().clamp(min=-1e4)  # no infinity in a file of weights
                self.means[group] = means
                self.factors[group] = factors


def fit_mixture(z: Tensor, components: int) -> tuple[Tensor, Tensor, Tensor]:
    """A mixture of Gaussians with full covariances by EM (Dempster et al. 1977) from k-means.

    log N(z; m, S) is linear in 1, z and the products z_i z_j, so that a step is two products of matrices for all
    components at once.

    Args:
        z: latents (N, d) float64 on the CPU.
        components: K.

    Returns:
        Weights (K,), means (K, d) and Cholesky factors of the covariances (K, d, d).
    """
    nearest = torch.cdist(z, _centres(z, components)).argmin(1)
    shares = torch.nn.functional.one_hot(nearest, components).to(z)
    blocks = [_products(block) for block in torch.split(z, BLOCK)]
    moments = sum(block.T @ part for block, part in zip(blocks, torch.split(shares, BLOCK), strict=True))
    before = -math.inf
    for _ in range(MOST_STEPS):
        weights, means, factors = _maximised(torch.as_tensor(moments), len(z), z.shape[1])
        coefficients = _coefficients(weights, means, factors)
        moments, total = torch.zeros_like(coefficients), 0.0
        for block in blocks:
            joint = block @ coefficients  # log w_k N(z; m_k, S_k), (B, K)
            log_density = joint.logsumexp(1, keepdim=True)
            moments += block.T @ (joint - log_density).exp()
            total += float(log_density.sum())
        if total / len(z) - before < ENOUGH:
            break
        before = total / len(z)
    return weights, means, factors


def _centres(z: Tensor, components: int) -> Tensor:
    """k-means (K, d), from centres that are spread by k-means++ (Arthur & Vassilvitskii 2007)."""
    generator = torch.Generator().manual_seed(0)
    some = z[torch.randperm(len(z), generator=generator)[:STARTED]]
    centres, distances = [some[0]], torch.full((len(some),), math.inf, dtype=z.dtype)
    for _ in range(components - 1):
        distances = torch.minimum(distances, (some - centres[-1]).square().sum(1))
        chances = distances if float(distances.sum()) > 0 else torch.ones_like(distances)
        centres.append(some[torch.multinomial(chances, 1, generator=generator)[0]])
    found = torch.stack(centres)
    for _ in range(LLOYD):
        nearest = torch.cdist(some, found).argmin(1)
        counts = torch.bincount(nearest, minlength=components).unsqueeze(1)
        sums = torch.zeros_like(found).index_add_(0, nearest, some)
        found = torch.where(counts > 0, sums / counts.clamp(min=1), found)
    return found


def _products(z: Tensor) -> Tensor:
    """1, z and z_i z_j for i <= j: (N, 1 + d + d (d + 1) / 2)."""
    i, j = torch.triu_indices(z.shape[1], z.shape[1])
    return torch.cat([torch.ones_like(z[:, :1]), z, z[:, i] * z[:, j]], 1)


def _maximised(moments: Tensor, n: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and factors of the covariances from each component's sums of `_products` (P, K) over n latents."""
    counts = moments[0].clamp(min=1e-9)
    means = (moments[1 : 1 + size] / counts).T  # (K, d)
    i, j = torch.triu_indices(size, size)
    squares = torch.zeros(len(means), size, size, dtype=moments.dtype)
    squares[:, i, j] = squares[:, j, i] = (moments[1 + size :] / counts).T
    covariances = squares - means.unsqueeze(2) * means.unsqueeze(1)
    # A latent alone has no spread, and rounding may leave it less than none.
    floor = FLOOR + 1e-9 * squares.diagonal(dim1=1, dim2=2).amax(1)
    covariances += floor.view(-1, 1, 1) * torch.eye(size, dtype=moments.dtype)
    return counts / n, means, torch.linalg.cholesky(covariances)


def _coefficients(weights: Tensor, means: Tensor, factors: Tensor) -> Tensor:
    """What `_products` are multiplied with for log w_k N(z; m_k, S_k): (P, K)."""
    size = means.shape[1]
    precisions = torch.cholesky_inverse(factors)  # (K, d, d)
    linear = (precisions @ means.unsqueeze(2)).squeeze(2)
    log_scale = factors.diagonal(dim1=1, dim2=2).log().sum(1) + size * math.log(2.0 * math.pi) / 2
    constant = weights.log() - log_scale - (means * linear).sum(1) / 2
    i, j = torch.triu_indices(size, size)
    products = precisions[:, i, j] * torch.where(i == j, -0.5, -1.0)  # each pair i < j stands for two
    return torch.cat([constant.unsqueeze(1), linear, products], 1).T


class RealNVP(nn.Module):
    """Affine couplings, each of which moves one half of z by what the other half says (Dinh et al. 2017).

    log p(z) = log N(f(z); 0, I) + log |det df/dz|, exact; in float32 under autocast as well. The halves are told apart
    by one bit of a dimension's number, another bit for each two couplings, so that every dimension comes to hear of
    every other.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, size: int, classes: int = 0, couplings: int = 8, width: int = 64) -> None:
        """One for latents (N, size) and, if there are classes, their labels."""
        super().__init__()
        self.noise_size = size
        self.classes = classes
        self.register_buffer("shift", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        bits = max(1, (size - 1).bit_length())
        numbers = torch.arange(size)
        kept = [(numbers >> (i // 2 % bits)) % 2 == i % 2 for i in range(couplings)]
        self.couplings = nn.ModuleList(Coupling(mask.float(), classes, width) for mask in kept)

    def draw(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents (N, size); a call of a network, and counted as one."""
        z: Tensor = self(noise, labels)
        return z

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """The latents (N, size) that f takes to the noise (N, size)."""
        with torch.autocast(noise.device.type, enabled=False):
            x, told = noise.to(self.scale.dtype), self._told(labels)
            for coupling in reversed(self.couplings):
                log_scale, shift = coupling(x, told)
                x = (x - shift) * (-log_scale).exp()
            return x * self.scale + self.shift

    def log_density(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(z), (N,), of latents (N, size)."""
        with torch.autocast(z.device.type, enabled=False):
            x, told = (z.to(self.scale.dtype) - self.shift) / self.scale, self._told(labels)
            log_determinant = -self.scale.log().sum()
            for coupling in self.couplings:
                log_scale, shift = coupling(x, told)
                x = x * log_scale.exp() + shift
                log_determinant = log_determinant + log_scale.sum(1)
            return -0.5 * (x.square() + math.log(2.0 * math.pi)).sum(1) + log_determinant

    def fit(self, z: Tensor, labels: Tensor | None = None) -> None:
        """To begin with, the latents' means and deviations (N, size); the couplings are trained."""
        self.shift.copy_(z.mean(0))
        self.scale.copy_(z.std(0).clamp(min=1e-3))

    def _told(self, labels: Tensor | None) -> Tensor | None:
        return torch.nn.functional.one_hot(labels, self.classes) if labels is not None else None


class Coupling(nn.Module):
    """How one half of x is scaled and moved, as a network of the other half says; at first not at all."""

    kept: Tensor

    def __init__(self, kept: Tensor, classes: int, width: int) -> None:
        """For x (N, size), of which `kept` (size,) is 1 where x stays."""
        super().__init__()
        self.register_buffer("kept", kept)
        size = len(kept)
        last = nn.Linear(width, 2 * size)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        hidden = (nn.Linear(size + classes, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.network = nn.Sequential(*hidden, last)

    def forward(self, x: Tensor, told: Tensor | None) -> tuple[Tensor, Tensor]:
        """Log-scale, within (-2, 2), and shift (N, size); both are 0 where x stays."""
        seen = x * self.kept
        found = self.network(seen if told is None else torch.cat([seen, told.to(x.dtype)], 1))
        log_scale, shift = found.chunk(2, 1)
        moved = 1.0 - self.kept
        return moved * 2.0 * torch.tanh(log_scale / 2.0), moved * shift
