# Rscript help_pages.R FILES.Rd: each help page as HTML, after a line with a form feed and its name.
for (file in commandArgs(TRUE)) {
  cat("\f", sub("\\.Rd$", "", basename(file)), "\n", sep = "")
  tools::Rd2HTML(file, stages = c("build", "install", "render"))
}
