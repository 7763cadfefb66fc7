"""What a verb may be told: every value with its meaning, unit, type and range; the defaults stand in conf/*.yaml.

Nothing heavy is imported here, so that a mistake is answered at once.
"""
