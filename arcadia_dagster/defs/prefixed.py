"""A home's assets and checks under its prefix: this is done last, so that what makes them need not know it."""

from collections.abc import Sequence

import dagster as dg

from arcadia_dagster.prefix import Prefix


def with_prefix(
    prefix: Prefix, assets: Sequence[dg.AssetsDefinition], checks: Sequence[dg.AssetChecksDefinition]
) -> tuple[Sequence[dg.AssetsDefinition], Sequence[dg.AssetChecksDefinition]]:
    """The same assets and checks with the keys and groups that the home's prefix gives them; the names of steps stay.

    Dagster's loaders of modules do it in this way where they get a `key_prefix`; ours are in no module.

    Args:
        prefix: What the home's names begin with.
        assets: All assets of the home; what they depend on is among them.
        checks: The checks of these assets.
    """
    if not prefix.text:
        return assets, checks
    keys = {key: dg.AssetKey(prefix.path(*key.path)) for asset in assets for key in asset.keys}

    def in_group(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(group_name=prefix.name(spec.group_name or ""))

    return (
        [asset.with_attributes(asset_key_replacements=keys).map_asset_specs(in_group) for asset in assets],
        [check.with_attributes(asset_key_replacements=keys).coerce_to_checks_def() for check in checks],
    )
