# The vignettes with their results, from *.Rmd.orig: knit.R FOLDER. They are kept in r-package/vignettes, as the package
# is also built where there is no Python to run them.
folder <- normalizePath(commandArgs(trailingOnly = TRUE)[1])
sources <- normalizePath(list.files("vignettes", "\\.Rmd\\.orig$", full.names = TRUE))
options(width = 100, pillar.width = 100, cli.num_colors = 1L, cli.progress_show_after = Inf, digits = 4)
setwd(folder) # figures are named by where they are from here
for (source in sources) {
  name <- sub("\\.Rmd\\.orig$", "", basename(source))
  target <- paste0(name, ".Rmd")
  knitr::opts_chunk$set(
    collapse = TRUE, comment = "#>", fig.path = paste0("figures/", name, "-"), dpi = 72, dev = "png", fig.cap = "",
    error = FALSE
  )
  knitr::knit(source, target, envir = new.env(), quiet = TRUE)
  made_of <- sprintf("<!-- Made by make vignettes of %s, %s: change that. -->", basename(source), tools::md5sum(source))
  lines <- readLines(target, encoding = "UTF-8")
  head <- which(lines == "---")[2]
  writeLines(c(lines[seq_len(head)], "", made_of, lines[-seq_len(head)]), target, useBytes = TRUE)
}
