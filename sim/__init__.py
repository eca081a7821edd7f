"""The simulated world: tracks, cars, cameras, rules and rewards; knows neither Ray nor torch."""
