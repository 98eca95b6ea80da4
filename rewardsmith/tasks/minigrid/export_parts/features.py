def with_features(row: Any, tables: dict[str, Any]) -> Any:
    """Walking distances, if the program declares that it uses them."""
    if "walk_distance" in globals().get("USES", ()):
        objects = next(f for f in SCHEMA["fields"] if f["name"] == "objects")
        where = objects["start"], objects["stride"], objects["length"]
        fill_walk_distances(row[None], tables["walls"], tables["lava"], *where)
    return row
