"""The walk through the lecture: chapters of stations, in the order in which they are taught.

`walk` what is taught (data in `chapters/*.toml`) · `page` a station set as lines of a width · `progress` what a person
has seen. Knows neither torch nor textual.
"""

from tuitrain.learning.walk import Chapter, Station, chapters, find_station, stations

__all__ = ["Chapter", "Station", "chapters", "find_station", "stations"]
