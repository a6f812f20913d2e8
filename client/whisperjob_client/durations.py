"""Lengths of time as people read them. Pure."""


def clock(seconds: int) -> str:
    """Returns H:MM:SS."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def rough_duration(seconds: float) -> str:
    """Returns seconds up to two minutes, minutes up to two hours, then hours and minutes."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
