"""A home's assets and checks under its prefix: this is done last, so that what makes them need not know it."""

from collections.abc import Sequence

import dagster as dg

from arcadia_dagster.prefix import Prefix


def with_prefix(
    prefix: Prefix,
    assets: Sequence[dg.AssetsDefinition],
    external: Sequence[dg.AssetSpec],
    checks: Sequence[dg.AssetChecksDefinition],
) -> tuple[Sequence[dg.AssetsDefinition | dg.AssetSpec], Sequence[dg.AssetChecksDefinition]]:
    """The same assets and checks with the keys and groups that the home's prefix gives them; the names of steps stay.

    Dagster's loaders of modules do it in this way where they get a `key_prefix`; ours are in no module.

    Args:
        prefix: What the home's names begin with.
        assets: All assets of the home that runs make; what they depend on is among them, or external.
        external: Those that no run makes by itself.
        checks: The checks of these assets.
    """
    if not prefix.text:
        return [*assets, *external], checks
    of_runs = (key for asset in assets for key in asset.keys)
    keys = {key: dg.AssetKey(prefix.path(*key.path)) for key in (*of_runs, *(spec.key for spec in external))}

    def in_group(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(group_name=prefix.name(spec.group_name or ""))

    def renamed(spec: dg.AssetSpec) -> dg.AssetSpec:
        return in_group(spec.replace_attributes(key=keys[spec.key], deps=[keys[dep.asset_key] for dep in spec.deps]))

    return (
        [
            *(asset.with_attributes(asset_key_replacements=keys).map_asset_specs(in_group) for asset in assets),
            *map(renamed, external),
        ],
        [check.with_attributes(asset_key_replacements=keys).coerce_to_checks_def() for check in checks],
    )
