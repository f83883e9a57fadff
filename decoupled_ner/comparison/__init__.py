"""Systems side by side: experiments of many runs, results as files, tables and plots of them."""
