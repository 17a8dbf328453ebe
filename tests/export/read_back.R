# Reads every .dta (haven, readstata13) and .rds of a folder. cells.tsv: what each cell holds, texts as their bytes in
# UTF-8 and numbers with all their digits. about.tsv: classes, labels and notes.
suppressMessages({library(haven); library(readstata13)})
folder <- commandArgs(TRUE)[1]

hex <- function(text) vapply(enc2utf8(as.character(text)), function(x) paste(charToRaw(x), collapse = ""), "")
cells <- function(x, tags = NA) {
  if (is.factor(x)) x <- as.character(x)
  if (is.character(x)) return(ifelse(is.na(x), "NA", paste0("s:", hex(x))))
  missing <- ifelse(is.na(tags), ifelse(is.nan(x), "NaN", "NA"), sprintf("NA(%s)", tags))
  ifelse(is.na(x), missing, sprintf("n:%.17g", as.numeric(x)))
}
by_haven <- function(data) {
  lapply(data, function(x) cells(zap_labels(x), if (is.double(x) && length(x)) na_tag(x) else NA))
}
by_readstata13 <- function(path) {
  data <- read.dta13(path, missing.type = TRUE, convert.factors = FALSE, convert.dates = FALSE)
  lapply(seq_along(data), function(i) {
    kind <- attr(data, "missing")[[i]]
    cells(data[[i]], if (is.null(kind)) NA else ifelse(is.na(kind) | kind == 0, NA, letters[pmax(kind, 1)]))
  })
}
rows <- function(name, reader, columns) {
  unlist(lapply(seq_along(columns), function(i) {
    paste(name, reader, i, seq_along(columns[[i]]), columns[[i]], sep = "\t", recycle0 = TRUE)
  }))
}
about <- function(name, data) {
  columns <- lapply(seq_along(data), function(i) {
    labels <- attr(data[[i]], "labels")
    texts <- if (is.factor(data[[i]])) levels(data[[i]]) else names(labels)
    codes <- if (is.factor(data[[i]])) seq_along(texts) else cells(as.double(labels), na_tag(as.double(labels)))
    c(paste(name, i, "class", paste(class(data[[i]]), collapse = " "), sep = "\t"),
      paste(name, i, "label", codes, hex(texts), sep = "\t", recycle0 = TRUE),
      paste(name, i, "heading", hex(attr(data[[i]], "label", exact = TRUE)), sep = "\t", recycle0 = TRUE))
  })
  c(unlist(columns), paste(name, 0, "note", hex(attr(data, "notes")), sep = "\t", recycle0 = TRUE),
    paste(name, 0, "title", hex(attr(data, "label", exact = TRUE)), sep = "\t", recycle0 = TRUE),
    paste(name, 0, "shape", nrow(data), ncol(data), sep = "\t"))
}

found <- told <- character()
for (path in list.files(folder, "[.](dta|rds)$", full.names = TRUE)) {
  name <- basename(path)
  data <- if (endsWith(path, ".dta")) read_dta(path) else readRDS(path)
  found <- c(found, rows(name, "haven", by_haven(data)))
  if (endsWith(path, ".dta")) found <- c(found, rows(name, "readstata13", by_readstata13(path)))
  told <- c(told, about(name, data))
}
writeLines(found, file.path(folder, "cells.tsv"), useBytes = TRUE)
writeLines(told, file.path(folder, "about.tsv"), useBytes = TRUE)
