"""The files that the demo's hub is started with: what people see of them has names in both languages."""

from hub.config.files import load_config
from hub.registry.live import load_registry
from sim.city.city import city, write_hub


def test_districts_have_names_in_both_languages_and_every_site_lies_in_one(tmp_path):
    write_hub(tmp_path, city(), 1883)
    registry = load_registry(load_config(tmp_path / "fenceline.toml"))
    assert {site.district for site in registry.sites.values()} == set(registry.named_districts)
    for id_, district in registry.named_districts.items():
        assert district.en not in {"", id_}
        assert not district.zh.isascii()
