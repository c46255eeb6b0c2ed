"""City resources in the registry, one file per noun of `ciaas.ports.RegistryStore`."""
