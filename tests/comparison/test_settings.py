"""In what settings differ, each difference once and nothing that is the same."""

from genbench.comparison.settings import differences

GAN = {"budget": "5 min", "model._target_": "gan.GAN", "data.batch_size": "64", "model.dropout": "0.3"}
VAE = {"budget": "5 min", "model._target_": "vae.VAE", "data.batch_size": "128", "model.leak": "0.2"}


def test_between_models_what_all_have_and_within_a_model_what_varies() -> None:
    found = differences(
        ["GAN", "VAE", "VAE"],
        [GAN, VAE | {"model.latent_size": "2"}, VAE | {"model.latent_size": "8"}],
    )
    assert found.between == {"data.batch_size": ("64", "128", "128")}
    assert found.within == {"VAE": {"model.latent_size": ("2", "8")}}
    assert found.own == {
        "GAN": {"model._target_": "gan.GAN", "model.dropout": "0.3"},
        "VAE": {"model._target_": "vae.VAE", "model.leak": "0.2"},
    }


def test_a_setting_that_only_some_have_differs() -> None:
    found = differences(["VAE", "VAE"], [VAE, VAE | {"sample.steps": "5"}])
    assert (found.between, found.within) == ({}, {"VAE": {"sample.steps": (None, "5")}})
