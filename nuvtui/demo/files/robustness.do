import delimited "data/penguins.csv", clear
destring body_mass_g flipper_length_mm, replace force
encode species, generate(species_id)
regress body_mass_g flipper_length_mm i.species_id
